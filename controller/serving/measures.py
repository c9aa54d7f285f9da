"""The program's own metrics: whether it leads, trusts its store, and what it has decided and done.

Counts are read from the log's record when somebody scrapes, so that they can never differ from it; on a replica that
does not lead they are as complete as its reading of the log.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from controller.core.events import Applied, Decided, Event, Expired, HandedOver, NotApplied, Undone, Verified
from controller.core.routes import Route
from remediations.plan import Outcome

if TYPE_CHECKING:
    from controller.program import Program

LEADER = Gauge("trimtab_leader", "1 while this replica leads.")
TRUSTED = Gauge("trimtab_store_trusted", "1 while the store is the one that the Lease remembers.")
SEQUENCE = Gauge("trimtab_log_sequence", "Number of the newest event this replica has read.")
OPEN = Gauge("trimtab_incidents_open", "Incidents that are not over.")
SUSPECT = Gauge("trimtab_observer_suspect", "1 while so much looks broken that the observer may be what broke.")
DECIDED = Gauge("trimtab_decisions", "Decisions of the gate since the log began.", ["route"])
ACTED = Gauge("trimtab_writes", "Writes to workloads since the log began.", ["result"])
JUDGED = Gauge("trimtab_outcomes", "Verified outcomes since the log began.", ["outcome"])
LEFT = Gauge("trimtab_left_to_people", "Questions that expired, incidents handed over, actions taken back.", ["how"])


COUNTED = (Decided, Applied, NotApplied, Verified, Expired, HandedOver, Undone)


@dataclass(slots=True)
class Measures:
    """Counts over the record; each event is counted once, whenever somebody scrapes."""

    seen: dict[str, int] = field(default_factory=dict)
    routes: Counter[Route] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def take(self, program: Program) -> None:
        """Bring every gauge up to date."""
        leading = program.leadership.epoch is not None
        LEADER.set(leading)
        TRUSTED.set(leading and not program.leadership.distrusted)
        SEQUENCE.set(program.history.sequence)
        OPEN.set(len(program.history.open))
        SUSPECT.set(program.sight.observer_suspect() is not None)
        for stream, events in program.history.streams.items():
            for event in events[self.seen.get(stream, 0) :]:
                self._count(event)
            self.seen[stream] = len(events)
        self._show()

    def _count(self, event: Event) -> None:
        if isinstance(event, COUNTED):
            self.kinds[event.kind] += 1
        if isinstance(event, Decided):
            self.routes[event.route] += 1
        if isinstance(event, Verified):
            self.outcomes[event.outcome] += 1

    def _show(self) -> None:
        for route in Route:
            DECIDED.labels(str(route)).set(self.routes[route])
        for outcome in Outcome:
            JUDGED.labels(outcome.value).set(self.outcomes[outcome])
        ACTED.labels("applied").set(self.kinds["applied"])
        ACTED.labels("refused").set(self.kinds["not-applied"])
        LEFT.labels("expired").set(self.kinds["expired"])
        LEFT.labels("handed over").set(self.kinds["handed-over"])
        LEFT.labels("undone").set(self.kinds["undone"])
