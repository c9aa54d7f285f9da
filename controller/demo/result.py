"""What a run of the demo came to, and the document that programs read it from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.demo.reading import Ending, Kind
from controller.demo.stories import Story
from controller.lab.lab import Lab


@dataclass(frozen=True, slots=True)
class Cost:
    """What one fleet needed and lost over the run."""

    pod_hours: float
    slo_minutes: float

    @classmethod
    def of(cls, lab: Lab) -> Cost:
        """As the lab counted it."""
        return cls(lab.score.pod_hours, sum(lab.score.slo_minutes.values()))


@dataclass(frozen=True, slots=True)
class Result:
    """Every story with its end; `with_floor` is the fleet, `without` its twin that was given no floor."""

    endings: tuple[tuple[Story, Ending], ...]
    with_floor: Cost
    without: Cost
    events: int
    seed: int

    def as_it_should(self, story: Story, found: Ending) -> bool:
        """Whether a story ended as it should; one of a floor only when the floor saved what it is there to save."""
        return story.as_it_should(found) and (story.kind is not Kind.SCALING or self._saved(story))

    def _saved(self, story: Story) -> bool:
        held, bare = self.with_floor.slo_minutes, self.without.slo_minutes
        return held < bare or (story.expects is None and held == bare)

    def why_not(self, story: Story, found: Ending) -> str:
        """Why a story did not end as it should, empty when it did."""
        if self.as_it_should(story, found):
            return ""
        if found.refused:
            return "you said no, so nothing was done"
        if story.as_it_should(found):
            held, bare = self.with_floor.slo_minutes, self.without.slo_minutes
            return f"minutes outside of the objectives: {held:g} with the floor, {bare:g} without it"
        return f"this did not end as it should{f': {found.detail}' if found.detail else ''}"

    @property
    def astray(self) -> tuple[Story, ...]:
        """Stories that did not end as they should."""
        return tuple(story for story, found in self.endings if not self.as_it_should(story, found))

    def document(self) -> Mapping[str, Any]:
        """For `--json`."""
        return {
            "stories": [
                {
                    "name": story.name,
                    "kind": story.kind.value,
                    "route": found.route,
                    "outcome": found.outcome,
                    "verified": found.verified,
                    "seconds_to_recover": found.seconds,
                }
                for story, found in self.endings
            ],
            "pod_hours": round(self.with_floor.pod_hours, 3),
            "pod_hours_hpa": round(self.without.pod_hours, 3),
            "slo_minutes_lost": round(self.with_floor.slo_minutes, 3),
            "slo_minutes_lost_hpa": round(self.without.slo_minutes, 3),
            "events": self.events,
        }
