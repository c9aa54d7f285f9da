"""The page's backend in memory: real folds and the core's own `accept`, people and rights as given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from controller.core.accept import accept
from controller.core.alerts import Alert
from controller.core.budget import Spent
from controller.core.events import Answered, UndoAsked, Verdict, Via
from controller.core.incident import Incident, fold
from controller.core.message import Background
from controller.core.policy import Policy
from controller.core.report import Report, deeds_of, report
from controller.core.report_parts import Deed
from controller.errors import ApiUnavailable
from controller.ports import Person, Stored
from controller.runtime.answers import Reply, thanks
from controller.serving.services import NO_PRESET
from controller.web.backend import Check, Clause, Detail, Head, Paused, Quantity, Right, Service
from detectors.results import Forecast, Peak, Span
from detectors.series import HEALTHY, DataHealth, Problem, Series, Signal, Workload
from tests.core import samples
from tests.core.samples import Tale

REPLICA = "trimtab-6c9f7b8d5-x2lqz"
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
    curves: dict[Workload, tuple[Series | None, Forecast | None]] = field(default_factory=dict)
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

    async def service(self, workload: Workload) -> Detail | None:
        """By name, with what the tales would have done."""
        found = next((service for service in self.found if service.workload == workload), None)
        would = tuple(deed for deed in await self.would() if deed.workload == workload)
        return None if found is None else Detail(found, *self.curves.get(workload, (None, None)), would)

    async def would(self) -> tuple[Deed, ...]:
        """Of all tales."""
        found = (deed for tale in self.tales for deed in deeds_of(tale.events) if not deed.way.done)
        return tuple(sorted(found, key=lambda deed: deed.at, reverse=True))

    async def head(self) -> Head:
        """Leading since an hour."""
        since = self.now - timedelta(hours=1)
        return Head(REPLICA, True, f"{REPLICA} leads, epoch 7", since, 412, 7, 19, 21)

    async def report(self, lasting: timedelta) -> Report:
        """Over all tales."""
        streams = {f"incident:{tale.id}": tale.events for tale in self.tales}
        return report(streams, self.now - lasting, self.now, len(self.found))

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


BASKET = Workload("shop", "Deployment", "basket")


def furnished() -> MemoryBackend:
    """One incident of every kind that people meet, and services with good and bad data."""
    tales = []
    makers = ("cleared", "repaired", "undoable", "ineffective", "observed", "frozen", "unplanned", "asked")
    for number, name in enumerate(makers, start=2034):
        tale = samples.observed(BASKET) if name == "observed" else samples.ALL[name]()
        tales.append(samples.renamed(tale, f"INC-{number}"))
    stale = DataHealth(frozenset({Problem.STALE}), "the newest scrape is 312 s old")
    none = NO_PRESET
    until = samples.at("14:11:00")
    services = (
        Service(
            samples.CHECKOUT,
            "Auto",
            "shop/checkout@4",
            HEALTHY,
            5,
            12,
            "INC-2041",
            scaling="Floor",
            canary="Rollback",
            load=Quantity(212.4, "1/s"),
            peak=Quantity(338.0, "1/s", "with a chance of 95 %", until),
            floor=Clause("9 held", "a peak of 338 at 39.2 per pod needs 9"),
            rollout=Clause("v42 Hold 61%", "v42 fails 0.4 % of its requests, v41 0.2 %: undecided, 61 %"),
        ),
        Service(
            samples.SEARCH,
            "Approve",
            "shop/search@1",
            stale,
            8,
            8,
            load=Quantity(why="data stale"),
            peak=Quantity(why="data stale"),
            scaling="Floor",
            floor=Clause("4 held", "keeps the last good floor of 4: stale"),
        ),
        Service(
            BASKET,
            "Observe",
            "default",
            HEALTHY,
            2,
            3,
            "INC-2038",
            "observed only; would have asked whether to roll back to v41",
            load=Quantity(42.0, "1/s"),
            peak=Quantity(61.0, "1/s", "with a chance of 95 %", until),
            floor=Clause("would be 4", "a peak of 61 at 16 per pod needs 4"),
        ),
        Service(
            Workload("shop", "StatefulSet", "invoices"),
            "Observe",
            "default",
            None,
            load=Quantity(why=none),
            peak=Quantity(why=none),
        ),
        Service(Workload("bank", "Deployment", "ledger"), "Observe", "default", HEALTHY, 3, 3),
    )
    now = samples.at("14:05:00")
    return MemoryBackend(tales=tales, found=services, curves={samples.CHECKOUT: (yesterday(now), tomorrow(now))})


def yesterday(now: datetime, workload: Workload = samples.CHECKOUT) -> Series:
    """A day of load in points of five minutes, with a gap at night."""
    step = timedelta(minutes=5)
    start = now - 288 * step
    hours = np.array([(start + number * step).hour + (start + number * step).minute / 60 for number in range(289)])
    values = 130 + 95 * np.sin((hours - 9) / 24 * 2 * np.pi) + 9 * np.sin(hours * 17)
    values *= 212.4 / values[-1]
    values[150:162] = np.nan
    return Series(workload, Signal.LOAD, start, step, values, "1/s")


def tomorrow(now: datetime) -> Forecast:
    """What is expected of the next two hours."""
    step = timedelta(minutes=5)
    paths = tuple((210 + 3 * k - 8 - k, 210 + 3.0 * k, 210 + 3 * k + 10 + 2.2 * k) for k in range(1, 25))
    peak = Peak(timedelta(minutes=6), 0.95, 338.0, 300.0, 200)
    return Forecast(now, step, (0.05, 0.5, 0.95), paths, peak, "profile@1", Span(now - timedelta(days=14), now))
