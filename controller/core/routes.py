"""Routes and reasons: the words in which the gate answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class Route(IntEnum):
    """What happens to a proposal, from the freest to the strictest."""

    AUTO = 0
    ASK = 1
    WAIT = 2
    HAND_OVER = 3
    REFUSE = 4

    def __str__(self) -> str:
        return {0: "Auto", 1: "Ask", 2: "Wait", 3: "HandOver", 4: "Refuse"}[self.value]


class Licence(StrEnum):
    """By what right a proposal may act alone (S28)."""

    EARNED = "earned"
    GUARANTEED = "guaranteed"
    BOUNDED = "bounded"


class Lifts(StrEnum):
    """What takes a reason away."""

    NOBODY = "nobody"
    PERSON = "person"
    TIME = "time"
    APPROVAL = "approval"
    NOTHING_TO_LIFT = "nothing"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a route is no freer: a constant code, one sentence, and what lifts it. `until` goes with TIME."""

    route: Route
    code: str
    message: str
    lifts: Lifts = Lifts.NOTHING_TO_LIFT
    until: datetime | None = None


_ROUTE_OF = {
    Lifts.NOBODY: Route.REFUSE,
    Lifts.PERSON: Route.HAND_OVER,
    Lifts.TIME: Route.WAIT,
    Lifts.APPROVAL: Route.ASK,
}


def blocker(code: str, message: str, lifts: Lifts, until: datetime | None = None) -> Reason:
    """A reason not to act freely; its route follows from what lifts it."""
    return Reason(_ROUTE_OF[lifts], code, message, lifts, until)


OBSERVING = frozenset({"observe", "not-permitted"})
"""Codes of reasons that are there because trimtab only observes: its rights are left out on purpose then."""


def even_so(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """The reasons that would stand if trimtab did not merely observe."""
    return tuple(reason for reason in reasons if reason.code not in OBSERVING)
