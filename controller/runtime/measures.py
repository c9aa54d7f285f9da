"""The program's own metrics: whether it leads, trusts its store, and what it has decided and done.

Counts are read from the log's record when somebody scrapes, so that they can never differ from it; on a replica that
does not lead they are as complete as its reading of the log.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from controller.core.events import Applied, Decided, Expired, HandedOver, NotApplied, Undone, Verified
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


def take(program: Program) -> None:
    """Bring every gauge up to date."""
    leading = program.leadership.epoch is not None
    LEADER.set(leading)
    TRUSTED.set(leading and not program.leadership.distrusted)
    SEQUENCE.set(program.history.sequence)
    OPEN.set(len(program.history.open))
    SUSPECT.set(program.sight.observer_suspect() is not None)
    events = [event for stream in program.history.streams.values() for event in stream]
    routes = Counter(event.route for event in events if isinstance(event, Decided))
    for route in Route:
        DECIDED.labels(str(route)).set(routes[route])
    outcomes = Counter(event.outcome for event in events if isinstance(event, Verified))
    for outcome in Outcome:
        JUDGED.labels(outcome.value).set(outcomes[outcome])
    for kind, gauge in (
        (Applied, ACTED.labels("applied")),
        (NotApplied, ACTED.labels("refused")),
        (Expired, LEFT.labels("expired")),
        (HandedOver, LEFT.labels("handed over")),
        (Undone, LEFT.labels("undone")),
    ):
        gauge.set(sum(isinstance(event, kind) for event in events))
