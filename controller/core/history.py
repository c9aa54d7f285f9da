"""The record: what every runbook has been worth, read from the log and nothing else.

A projection over all incident streams: replaying the same events gives the same record, bit for bit. Small enough to
be kept in memory and rebuilt at start.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.core.confidence import Confidence, Tally, measured
from controller.core.events import Closed, Event, Opened, Proposed, RevisionHealthy, UndoAsked, Undone, Verified
from controller.core.labels import Label, labels, recurred
from detectors.series import Workload
from remediations.cluster import HealthyRevision, World
from remediations.plan import Outcome

FRUITLESS_WITHIN = timedelta(hours=4)
BACKOFF = timedelta(minutes=5)
"""First pause after an action without effect; doubles with each further one."""


@dataclass(slots=True)
class History:
    """All incidents' events, and the labels they give. Feed it with `add` in log order."""

    sequence: int = 0
    streams: dict[str, list[Event]] = field(default_factory=dict)
    judged: dict[str, tuple[Label, ...]] = field(default_factory=dict)
    fruitless: list[tuple[datetime, str, str]] = field(default_factory=list)
    open: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    healthy: dict[str, list[HealthyRevision]] = field(default_factory=dict)

    def add(self, sequence: int, stream: str, event: Event) -> None:
        """Take in one stored event; a sequence seen before is passed over."""
        if sequence <= self.sequence:
            return
        self.sequence = sequence
        if isinstance(event, RevisionHealthy):
            self.healthy.setdefault(stream.removeprefix("workload:"), []).append(event.revision)
        if not stream.startswith("incident:"):
            return
        events = self.streams.setdefault(stream, [])
        events.append(event)
        match event:
            case Opened():
                self.open[event.workload.key] = event.incident
                self._recurrence(event)
            case Closed():
                self.open = {key: incident for key, incident in self.open.items() if f"incident:{incident}" != stream}
            case UndoAsked():
                self.unfinished[self._opened(stream).workload.key] = self._opened(stream).incident
            case Undone():
                self.unfinished.pop(self._opened(stream).workload.key, None)
            case Verified() if event.outcome is not Outcome.EFFECTIVE:
                self._fruitless(events, event)
            case _:
                pass
        self.judged[stream] = self._merged(stream, labels(events))

    def _merged(self, stream: str, fresh: tuple[Label, ...]) -> tuple[Label, ...]:
        """Labels already turned bad by a recurrence stay bad."""
        turned = {label.digest: label for label in self.judged.get(stream, ()) if label.why == "recurred"}
        return tuple(turned.get(label.digest, label) for label in fresh)

    def _recurrence(self, later: Opened) -> None:
        for stream, found in self.judged.items():
            if any(recurred(label, later) for label in found):
                self.judged[stream] = tuple(
                    replace(label, good=False, why="recurred") if recurred(label, later) else label for label in found
                )

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
                self.fruitless.append((event.at, opened.workload.key, item.plan.remediation))
                return

    def healthy_known(self, workload: Workload, revision: HealthyRevision) -> bool:
        """True when this version is the newest one known to have been healthy."""
        known = self.healthy.get(workload.key, [])
        return bool(known) and known[-1].uid == revision.uid

    def with_healthy(self, world: World) -> World:
        """A reading of the world with the versions that were seen healthy, newest last."""
        return replace(world, healthy=tuple(self.healthy.get(world.workload.key, ())))

    def labels_of(self, runbook: str) -> tuple[Label, ...]:
        """Every label of one runbook, by name, oldest first."""
        found = (label for group in self.judged.values() for label in group if label.runbook == runbook)
        return tuple(sorted(found, key=lambda label: label.at))

    def confidence(self, runbook: str, workload: Workload, abnormal: float, cause: float) -> Confidence:
        """Measured confidence of a runbook on one workload as of now."""
        elsewhere, here = Tally(), Tally()
        for label in self.labels_of(runbook):
            if label.workload == workload:
                here = here.with_label(label.good)
            else:
                elsewhere = elsewhere.with_label(label.good)
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
        return tuple(
            at
            for at, key, name in self.fruitless
            if key == workload.key and name == remediation and now - at <= FRUITLESS_WITHIN
        )

    def backoff_until(self, workload: Workload, remediation: str, now: datetime) -> datetime | None:
        """When the same action may be tried again; None when nothing holds it back."""
        failures = self.without_effect(workload, remediation, now)
        return max(failures) + BACKOFF * 2 ** (len(failures) - 1) if failures else None
