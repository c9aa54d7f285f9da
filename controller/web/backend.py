"""What the page asks of the program: one small protocol, implemented by the composition root.

Promises that the page can change nothing by itself: every answer, undo and pause goes through the same door as
kubectl, the command line and Slack, which judges it again. The page asks for rights only to show what may be done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from controller.core.alerts import Alert
from controller.core.events import Verdict
from controller.core.incident import Incident
from controller.core.message import Background
from controller.core.report import Report
from controller.core.report_parts import Deed
from controller.core.words import amount
from controller.ports import Person, Stored
from controller.runtime.answers import Reply
from detectors.results import Forecast
from detectors.series import DataHealth, Series, Workload

UNKNOWN = "–"
"""What stands where there is nothing to say; why is said elsewhere."""


class Right(StrEnum):
    """What a person needs to be allowed, as verbs of Kubernetes: see `may`."""

    READ = "get"
    APPROVE = "approve"
    PAUSE = "create"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, or, where `value` is None, why there is none. `until` is how long a bound holds."""

    value: float | None = None
    unit: str = ""
    why: str = ""
    until: datetime | None = None

    def __str__(self) -> str:
        return UNKNOWN if self.value is None else amount(self.value, self.unit)


@dataclass(frozen=True, slots=True)
class Clause:
    """How something stands, in a few words, and the sentence behind it."""

    text: str = ""
    why: str = ""

    def __str__(self) -> str:
        return self.text or UNKNOWN


@dataclass(frozen=True, slots=True)
class Service:
    """One watched workload. `health` None: not looked at yet. `would` is what Observe would have done, in one clause
    (`controller.core.headline.decided`), `incident` the open one.

    `mode` is that of the incidents loop; `load` as measured now, `peak` the bound that it stays under until `until`.
    """

    workload: Workload
    mode: str
    policy: str
    health: DataHealth | None
    ready: int | None = None
    desired: int | None = None
    incident: str = ""
    would: str = ""
    scaling: str = "Observe"
    canary: str = "Observe"
    load: Quantity = Quantity()
    peak: Quantity = Quantity()
    floor: Clause = Clause()
    rollout: Clause = Clause()

    @property
    def modes(self) -> str:
        """What the loops may do beyond observing, in the order scaling, rollouts, incidents; `Observe` when nothing."""
        loops = (("scaling", self.scaling), ("rollouts", self.canary), ("incidents", self.mode))
        beyond = [f"{loop} Off" if mode == "Off" else mode for loop, mode in loops if mode != "Observe"]
        return ", ".join(beyond) or "Observe"


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything about one service: its load as it was and is expected, and what would have been done, newest first."""

    service: Service
    measured: Series | None = None
    expected: Forecast | None = None
    would: tuple[Deed, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """The program itself: who leads (by the last note), how long the log is, how often its record was right."""

    replica: str
    leads: bool
    note: str
    since: datetime | None
    events: int
    epoch: int
    right: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Paused:
    """Automation stands still. `known` False: it could not be read, which counts as paused (S13)."""

    reason: str
    by: str = ""
    known: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """One thing readiness rests on, with the reason when it does not hold."""

    name: str
    ok: bool
    detail: str = ""


class Backend(Protocol):
    """The program, as the page sees it. Methods raise `controller.errors.Retriable` when they cannot say."""

    async def recent(self, limit: int, skip: int = 0) -> tuple[tuple[Stored, ...], ...]:
        """The newest incidents first, each as all of its events."""
        ...

    async def incident(self, id: str) -> tuple[Stored, ...]:
        """One incident's events, empty when there is none of that name."""
        ...

    async def asking(self) -> tuple[tuple[Stored, ...], ...]:
        """The incidents with an open question, the one that expires first in front."""
        ...

    async def background(self, incident: Incident) -> Background:
        """Record, policy and budgets behind an incident's question."""
        ...

    async def services(self) -> tuple[Service, ...]:
        """Every watched workload."""
        ...

    async def service(self, workload: Workload) -> Detail | None:
        """One of them, None when it is not watched."""
        ...

    async def would(self) -> tuple[Deed, ...]:
        """What would have been done in the last seven days where nothing may be, newest first."""
        ...

    async def head(self) -> Head:
        """How the program itself stands."""
        ...

    async def report(self, lasting: timedelta) -> Report:
        """The report on the stretch that ends now."""
        ...

    async def answer(self, incident: str, digest: str, verdict: Verdict, person: Person, reason: str) -> Reply:
        """A person's word on exactly this plan, through the one door (via the page)."""
        ...

    async def undo(self, incident: str, person: Person) -> Reply:
        """A person wants an action taken back."""
        ...

    async def paused(self) -> Paused | None:
        """The kill switch, None when automation runs."""
        ...

    async def pause(self, person: Person, reason: str) -> Reply:
        """Stop all automation."""
        ...

    async def resume(self, person: Person) -> Reply:
        """Let automation go on."""
        ...

    async def person_of(self, token: str) -> Person | None:
        """The person behind a Kubernetes token (TokenReview), None when it is not valid."""
        ...

    async def may(self, person: Person, right: Right, namespace: str | None) -> bool:
        """SubjectAccessReview: READ and APPROVE on remediations.trimtab.dev of the namespace (None: of all), PAUSE on
        automationpauses.trimtab.dev.
        """
        ...

    def changes(self) -> AsyncIterator[int]:
        """The log's sequence whenever it grew, the newest only where several came at once; ends when the program
        stops.
        """
        ...

    async def readiness(self) -> tuple[Check, ...]:
        """What must hold for this replica to be of use."""
        ...

    async def metrics(self) -> bytes:
        """The program's own metrics in Prometheus' text format 0.0.4."""
        ...

    async def alerts(self, alerts: tuple[Alert, ...]) -> None:
        """Take in what Alertmanager says."""
        ...
