"""The record: what every runbook has been worth, read from the log and nothing else.

A projection over all incident streams: replaying the same events gives the same record, bit for bit. Small enough to
be kept in memory and rebuilt at start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.core.confidence import Confidence, measured
from controller.core.events import (
    Answered,
    Applied,
    Closed,
    Event,
    FloorEnded,
    FloorHeld,
    FloorProposed,
    FloorReleased,
    Opened,
    Proposed,
    RevisionHealthy,
    UndoAsked,
    Undone,
    Verified,
)
from controller.core.floor import STREAM as FLOOR_STREAM
from controller.core.floor import Floor, evolve
from controller.core.incident import fold
from controller.core.labels import Label, labels, recurred
from controller.core.record import Record
from controller.core.rollout import Rollout, advanced
from detectors.series import Workload
from remediations.cluster import HealthyRevision, World
from remediations.plan import Outcome

FRUITLESS_WITHIN = timedelta(hours=4)
BACKOFF = timedelta(minutes=5)
"""First pause after an action without effect; doubles with each further one."""
JUDGING = (Verified, Answered, Undone)
"""Events that can give a label or change one (see `labels`)."""


@dataclass(slots=True)
class History:
    """All incidents' events, and the labels they give. Feed it with `add` in log order; `add` costs no more with a
    long log than with a short one. `unfinished` are the incidents of a workload of which a person's undo is still to be
    done, the newest first: each gives back what it found.
    """

    sequence: int = 0
    streams: dict[str, list[Event]] = field(default_factory=dict)
    record: Record = field(default_factory=Record)
    fruitless: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, tuple[Opened, ...]] = field(default_factory=dict)
    healthy: dict[str, list[HealthyRevision]] = field(default_factory=dict)
    rollouts: dict[str, Rollout] = field(default_factory=dict)
    floors: dict[str, Floor] = field(default_factory=dict)

    def add(self, sequence: int, stream: str, event: Event) -> None:
        """Take in one stored event; a sequence seen before is passed over."""
        if sequence <= self.sequence:
            return
        self.sequence = sequence
        if isinstance(event, RevisionHealthy):
            self.healthy.setdefault(stream.removeprefix("workload:"), []).append(event.revision)
        if stream.startswith("rollout:"):
            self._rollout(stream.removeprefix("rollout:"), event)
        if stream.startswith(FLOOR_STREAM):
            self._floor(stream, event)
        if not stream.startswith("incident:"):
            return
        events = self.streams.setdefault(stream, [])
        events.append(event)
        self.record.begin(stream)
        match event:
            case Opened():
                self.open[event.workload.key] = event.incident
                self._recurrence(event)
            case Closed():
                self._closed(stream)
            case UndoAsked() | Undone() | Applied():
                self._unfinished(stream)
            case Verified() if event.outcome is not Outcome.EFFECTIVE:
                self._fruitless(events, event)
            case _:
                pass
        if isinstance(event, JUDGING):
            self.record.put(stream, self._merged(stream, labels(events)))

    @property
    def judged(self) -> Mapping[str, tuple[Label, ...]]:
        """Labels by stream, of streams that have any."""
        return self.record.by_stream

    def _merged(self, stream: str, fresh: tuple[Label, ...]) -> tuple[Label, ...]:
        """Labels already turned bad by a recurrence stay bad."""
        turned = {label.digest: label for label in self.judged.get(stream, ()) if label.why == "recurred"}
        return tuple(turned.get(label.digest, label) for label in fresh)

    def _recurrence(self, later: Opened) -> None:
        for stream in self.record.about(later.workload):
            found = self.judged[stream]
            if any(recurred(label, later) for label in found):
                turned = (
                    replace(label, good=False, why="recurred") if recurred(label, later) else label for label in found
                )
                self.record.put(stream, tuple(turned))

    def _closed(self, stream: str) -> None:
        """The incident of this stream is not the open one of its workload any more."""
        first = self.streams[stream][0]
        if isinstance(first, Opened) and f"incident:{self.open.get(first.workload.key)}" == stream:
            del self.open[first.workload.key]

    def _unfinished(self, stream: str) -> None:
        """Whether a person's undo is still to be done: not once another action has taken the place of that one."""
        first, events = self._opened(stream), self.streams[stream]
        waiting = self.unfinished.pop(first.workload.key, ())
        if first in waiting or isinstance(events[-1], UndoAsked):
            incident = fold(enumerate(events, 1))
            mine = (first,) if incident is not None and incident.to_undo else ()
            others = (one for one in waiting if one.incident != first.incident)
            waiting = tuple(sorted((*mine, *others), key=lambda one: one.at, reverse=True))
        if waiting:
            self.unfinished[first.workload.key] = waiting

    def opened(self, stream: str) -> Opened | None:
        """How the incident of a stream began, None for another stream."""
        return self._opened(stream) if self.streams.get(stream) else None

    def _opened(self, stream: str) -> Opened:
        """How an incident began: the first event of its stream."""
        first = self.streams[stream][0]
        if not isinstance(first, Opened):
            message = f"{stream} does not begin with an opened incident"
            raise TypeError(message)
        return first

    def _fruitless(self, events: list[Event], event: Verified) -> None:
        opened = events[0]
        for item in events:
            if isinstance(opened, Opened) and isinstance(item, Proposed) and item.plan.digest == event.digest:
                self.fruitless.setdefault((opened.workload.key, item.plan.remediation), []).append(event.at)
                return

    def _rollout(self, key: str, event: Event) -> None:
        """Keep the newest rollout of a workload."""
        after = advanced(self.rollouts.get(key), event)
        if after is not None:
            self.rollouts[key] = after

    def _floor(self, stream: str, event: Event) -> None:
        """One more event of a workload's floor; the stream is gapless, so counting is numbering."""
        known = self.floors.get(stream.removeprefix(FLOOR_STREAM))
        if known is None and isinstance(event, FloorProposed | FloorHeld | FloorEnded | FloorReleased):
            known = Floor(event.workload)
        if known is not None:
            self.floors[known.workload.key] = replace(evolve(known, event), number=known.number + 1)

    def floor(self, workload: Workload) -> Floor:
        """The workload's floor as the log has it."""
        return self.floors.get(workload.key, Floor(workload))

    def healthy_known(self, workload: Workload, revision: HealthyRevision) -> bool:
        """True when this version is the newest one known to have been healthy."""
        known = self.healthy.get(workload.key, [])
        return bool(known) and known[-1].uid == revision.uid

    def with_healthy(self, world: World) -> World:
        """A reading of the world with the versions that were seen healthy, newest last."""
        return replace(world, healthy=tuple(self.healthy.get(world.workload.key, ())))

    def labels_of(self, runbook: str) -> tuple[Label, ...]:
        """Every label of one runbook, by name, oldest first."""
        return self.record.of_runbook(runbook)

    def confidence(self, runbook: str, workload: Workload, abnormal: float, cause: float) -> Confidence:
        """Measured confidence of a runbook on one workload as of now."""
        elsewhere, here = self.record.tallies(runbook, workload)
        return measured(elsewhere, here, abnormal, cause)

    def similar(self, runbook: str, at_most: int = 3) -> tuple[str, ...]:
        """The newest incidents in which this runbook was right."""
        return tuple(label.incident for label in reversed(self.labels_of(runbook)) if label.good)[:at_most]

    def harmed(self, runbook: str) -> str | None:
        """The incident in which the runbook did harm, until it has been right again since (S29: one harm demotes at
        once).
        """
        harm: str | None = None
        for label in self.labels_of(runbook):
            if label.outcome is Outcome.HARMFUL:
                harm = label.incident
            elif label.good:
                harm = None
        return harm

    def without_effect(self, workload: Workload, remediation: str, now: datetime) -> tuple[datetime, ...]:
        """When the same action had no effect on this workload in the last four hours."""
        return tuple(at for at in self.fruitless.get((workload.key, remediation), ()) if now - at <= FRUITLESS_WITHIN)

    def backoff_until(self, workload: Workload, remediation: str, now: datetime) -> datetime | None:
        """When the same action may be tried again; None when nothing holds it back."""
        failures = self.without_effect(workload, remediation, now)
        return max(failures) + BACKOFF * 2 ** (len(failures) - 1) if failures else None
