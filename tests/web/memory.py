"""The page's backend in memory: real folds and the core's own `accept`, people and rights as given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from controller.core.accept import accept
from controller.core.alerts import Alert
from controller.core.budget import Spent
from controller.core.events import Answered, UndoAsked, Verdict, Via
from controller.core.incident import Incident, fold
from controller.core.message import Background
from controller.core.policy import Policy
from controller.errors import ApiUnavailable
from controller.ports import Person, Stored
from controller.runtime.answers import Reply, thanks
from controller.web.backend import Check, Paused, Right, Service
from detectors.series import HEALTHY, DataHealth, Problem, Workload
from tests.core import samples
from tests.core.samples import Tale

MARA = Person("mara", ("sre-oncall",))
OTTO = Person("otto")
TOKENS = {"token-of-mara": MARA, "token-of-otto": OTTO}
RIGHTS = {
    ("mara", Right.READ, "shop"),
    ("mara", Right.APPROVE, "shop"),
    ("mara", Right.PAUSE, None),
    ("otto", Right.READ, "shop"),
}


@dataclass
class MemoryBackend:
    """Everything can be set; what was done stands in `tales`, `pauses` and `taken`."""

    tales: list[Tale] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: samples.at("14:06:00"))
    rights: set[tuple[str, Right, str | None]] = field(default_factory=lambda: set(RIGHTS))
    found: tuple[Service, ...] = ()
    pausing: Paused | None = None
    checks: tuple[Check, ...] = (Check("store", True),)
    taken: list[Alert] = field(default_factory=list)
    api_down: bool = False
    stopping: bool = False
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def recent(self, limit: int, skip: int = 0) -> tuple[tuple[Stored, ...], ...]:
        """The last added first."""
        return tuple(tale.stored() for tale in reversed(self.tales))[skip : skip + limit]

    async def incident(self, id: str) -> tuple[Stored, ...]:
        """By name."""
        return next((tale.stored() for tale in self.tales if tale.id == id), ())

    async def asking(self) -> tuple[tuple[Stored, ...], ...]:
        """By expiry."""
        asked = [t for t in self.tales if (question := t.incident.question) is not None and question.open]
        return tuple(tale.stored() for tale in sorted(asked, key=_expiry))

    async def background(self, incident: Incident) -> Background:
        """The record of all tales."""
        spent = Spent({f"actions:namespace:{incident.workload.namespace}": 0.0})
        return Background(samples.history(*self.tales), Policy(), spent)

    async def services(self) -> tuple[Service, ...]:
        """As given."""
        return self.found

    async def answer(self, incident: str, digest: str, verdict: Verdict, person: Person, reason: str) -> Reply:
        """Judged by `accept`."""
        if verdict is Verdict.REJECT and not reason.strip():
            return Reply(False, "A rejection needs a reason: it is what the runbook learns from.")
        return self._enter(incident, Answered(self.now, digest, verdict, person.name, Via.PAGE, reason))

    async def undo(self, incident: str, person: Person) -> Reply:
        """Judged by `accept`."""
        tale = next(tale for tale in self.tales if tale.id == incident)
        return self._enter(incident, UndoAsked(self.now, tale.digest, person.name, Via.PAGE))

    def _enter(self, incident: str, event: Answered | UndoAsked) -> Reply:
        tale = next(tale for tale in self.tales if tale.id == incident)
        refused = accept(fold(tale.numbered), event)
        if refused is not None:
            return Reply(False, f"{refused[0].upper()}{refused[1:]}.")
        tale.add(event)
        self.grow()
        return Reply(True, thanks(event))

    async def paused(self) -> Paused | None:
        """As set."""
        return self.pausing

    async def pause(self, person: Person, reason: str) -> Reply:
        """Set it."""
        self.pausing = Paused(reason, person.name)
        return Reply(True, "Paused.")

    async def resume(self, person: Person) -> Reply:
        """Take it away."""
        if self.pausing is None:
            return Reply(False, "Automation is not paused.")
        self.pausing = None
        return Reply(True, "Resumed.")

    async def person_of(self, token: str) -> Person | None:
        """By token."""
        if self.api_down:
            raise ApiUnavailable("the API server does not answer", "look at its health")
        return TOKENS.get(token)

    async def may(self, person: Person, right: Right, namespace: str | None) -> bool:
        """By the set of rights."""
        if self.api_down:
            raise ApiUnavailable("the API server does not answer", "look at its health")
        return (person.name, right, namespace) in self.rights

    async def changes(self) -> AsyncIterator[int]:
        """One number whenever `grow` was called."""
        sequence = 0
        while not self.stopping:
            await self._grown.wait()
            self._grown.clear()
            sequence += 1
            yield sequence

    def grow(self) -> None:
        """Something happened."""
        self._grown.set()

    async def readiness(self) -> tuple[Check, ...]:
        """As set."""
        return self.checks

    async def metrics(self) -> bytes:
        """One number."""
        return b"# TYPE trimtab_up gauge\ntrimtab_up 1\n"

    async def alerts(self, alerts: tuple[Alert, ...]) -> None:
        """Kept."""
        self.taken.extend(alerts)


def _expiry(tale: Tale) -> datetime:
    question = tale.incident.question
    assert question is not None
    return question.expires


def furnished() -> MemoryBackend:
    """One incident of every kind that people meet, and services with good and bad data."""
    tales = []
    makers = ("cleared", "repaired", "undoable", "ineffective", "observed", "frozen", "unplanned", "asked")
    for number, name in enumerate(makers, start=2034):
        tales.append(samples.renamed(samples.ALL[name](), f"INC-{number}"))
    stale = DataHealth(frozenset({Problem.STALE}), "the newest scrape is 312 s old")
    services = (
        Service(samples.CHECKOUT, "Auto ≥0.90", "shop/checkout", HEALTHY, 5, 12, "INC-2041"),
        Service(samples.SEARCH, "Approve", "shop/search", stale, 8, 8),
        Service(
            Workload("shop", "StatefulSet", "basket"),
            "Observe",
            "",
            HEALTHY,
            2,
            3,
            "INC-2038",
            "observed only; would have asked whether to roll back to v41",
        ),
        Service(Workload("shop", "Deployment", "invoices"), "Observe", "", None),
        Service(Workload("bank", "Deployment", "ledger"), "Observe", "", HEALTHY, 3, 3),
    )
    return MemoryBackend(tales=tales, found=services)
