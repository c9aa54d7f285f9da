"""The labels of all incidents, found by runbook and by workload: what confidence and recurrence ask for at each look.

Promises the same answers, in the same order, as going through every label would give. The indexes change only where a
stream's labels do (`put`), so that they cannot fall behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.core.confidence import Tally
from controller.core.labels import Label
from detectors.series import Workload


@dataclass(slots=True)
class Record:
    """Labels by stream, in the order in which the streams began."""

    by_stream: dict[str, tuple[Label, ...]] = field(default_factory=dict)
    _order: dict[str, int] = field(default_factory=dict, compare=False)
    _of_runbook: dict[str, set[str]] = field(default_factory=dict, compare=False)
    _of_workload: dict[Workload, set[str]] = field(default_factory=dict, compare=False)
    _tallies: dict[tuple[str, Workload | None], Tally] = field(default_factory=dict, compare=False)
    _sorted: dict[str, tuple[Label, ...]] = field(default_factory=dict, compare=False)

    def begin(self, stream: str) -> None:
        """A stream has its first event."""
        self._order.setdefault(stream, len(self._order))

    def put(self, stream: str, labels: tuple[Label, ...]) -> None:
        """From now on, these are the labels of a stream."""
        self.begin(stream)
        before = self.by_stream.get(stream, ())
        self.by_stream[stream] = labels
        if before == labels:
            return
        self._count(before, -1)
        self._count(labels, 1)
        for label in before:
            self._of_runbook[label.runbook].discard(stream)
            self._of_workload[label.workload].discard(stream)
        for label in labels:
            self._of_runbook.setdefault(label.runbook, set()).add(stream)
            self._of_workload.setdefault(label.workload, set()).add(stream)
        for label in (*before, *labels):
            self._sorted.pop(label.runbook, None)

    def of_runbook(self, runbook: str) -> tuple[Label, ...]:
        """Every label of one runbook, oldest first; of the same time in the order of their streams."""
        if runbook not in self._sorted:
            streams = self._in_order(self._of_runbook.get(runbook, ()))
            found = (label for stream in streams for label in self.by_stream[stream] if label.runbook == runbook)
            self._sorted[runbook] = tuple(sorted(found, key=lambda label: label.at))
        return self._sorted[runbook]

    def about(self, workload: Workload) -> tuple[str, ...]:
        """The streams with labels about one workload."""
        return tuple(self._in_order(self._of_workload.get(workload, ())))

    def tallies(self, runbook: str, workload: Workload) -> tuple[Tally, Tally]:
        """The outcomes of one runbook everywhere but on the workload, and on it."""
        everywhere = self._tallies.get((runbook, None), Tally())
        here = self._tallies.get((runbook, workload), Tally())
        return Tally(everywhere.good - here.good, everywhere.n - here.n), here

    def _in_order(self, streams: Iterable[str]) -> list[str]:
        return sorted(streams, key=self._order.__getitem__)

    def _count(self, labels: Iterable[Label], sign: int) -> None:
        for label in labels:
            for key in ((label.runbook, None), (label.runbook, label.workload)):
                self._tallies[key] = self._tallies.get(key, Tally()) + Tally(sign * label.good, sign)
