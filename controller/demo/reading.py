"""What became of a story, read from the event log and nothing else.

Promises that nothing is taken from what the demo itself knows or intended: a write that did not happen leaves a log in
which nothing is verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, assert_never

from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Decided,
    Event,
    FloorEnded,
    FloorHeld,
    HandedOver,
    Intended,
    Opened,
    Proposed,
    Verdict,
    Verified,
)
from controller.core.routes import Licence, Route
from controller.ports import Stored
from detectors.series import Workload
from remediations.plan import Outcome

Streams: TypeAlias = Mapping[str, Sequence[Event]]


class Kind(StrEnum):
    """What a story is about."""

    SCALING = "scaling"
    CANARY = "canary"
    INCIDENT = "incident"
    CONTROL = "control"
    HANDOVER = "handover"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a story ended. `route` and `outcome` are words of the log, `none` where it has none; `by` is who decided,
    `refused` that a person said no.
    """

    route: str = "none"
    outcome: str = "none"
    verified: bool = False
    seconds: float | None = None
    by: str = "nobody"
    incident: str = ""
    refused: bool = False


ROUTES: Mapping[Route, str] = {
    Route.AUTO: "auto",
    Route.ASK: "ask",
    Route.WAIT: "wait",
    Route.HAND_OVER: "hand_over",
    Route.REFUSE: "refuse",
}


def streams_of(log: Iterable[Stored]) -> dict[str, list[Event]]:
    """Events by stream, in order."""
    found: dict[str, list[Event]] = {}
    for stored in log:
        found.setdefault(stored.stream, []).append(stored.event)
    return found


def ending(kind: Kind, workload: Workload, streams: Streams, decisive: datetime) -> Ending:
    """How the story of this workload ended. `decisive` is when a floor has to stand."""
    match kind:
        case Kind.SCALING:
            return floor(streams.get(f"floor:{workload.key}", ()), decisive)
        case Kind.CANARY | Kind.INCIDENT | Kind.HANDOVER:
            return incident(about(workload, streams))
        case Kind.CONTROL:
            return control(workload, streams)
        case _:
            assert_never(kind)


def kinds(workload: Workload, streams: Streams) -> tuple[Kind, ...]:
    """What there is to tell of a workload about which nothing was expected."""
    found = [Kind.SCALING] if any(isinstance(e, FloorHeld) for e in streams.get(f"floor:{workload.key}", ())) else []
    events = about(workload, streams)
    if any(isinstance(e, Proposed) and e.licence is Licence.GUARANTEED for e in events):
        found.append(Kind.CANARY)
    elif any(isinstance(e, HandedOver) for e in events) and not any(isinstance(e, Intended) for e in events):
        found.append(Kind.HANDOVER)
    elif events:
        found.append(Kind.INCIDENT)
    return tuple(found) or (Kind.CONTROL,)


def about(workload: Workload, streams: Streams) -> list[Event]:
    """The events of the workload's first incident that came to something, else of its first."""
    found = [
        list(events)
        for name, events in streams.items()
        if name.startswith("incident:") and isinstance(events[0], Opened) and events[0].workload == workload
    ]
    return next(
        (one for one in found if any(isinstance(e, Decided | HandedOver) for e in one)), found[0] if found else []
    )


def incident(events: Sequence[Event]) -> Ending:
    """One incident: what the gate said at last or first asked, what was verified, how long it took."""
    if not events or not isinstance(opened := events[0], Opened):
        return Ending()
    verified = next((e for e in reversed(events) if isinstance(e, Verified)), None)
    good = verified is not None and verified.outcome is Outcome.EFFECTIVE
    return Ending(
        route=route(events),
        outcome=verified.outcome.value.lower() if verified is not None else "none",
        verified=good and any(isinstance(e, Applied) for e in events),
        seconds=(verified.at - opened.at).total_seconds() if verified is not None and good else None,
        by=decider(events),
        incident=opened.incident,
        refused=any(isinstance(e, Answered) and e.verdict is Verdict.REJECT for e in events),
    )


def route(events: Sequence[Event]) -> str:
    """Asked first, else handed over without a plan, else what the gate said last."""
    if any(isinstance(e, Asked) for e in events):
        return "ask"
    decided = [e for e in events if isinstance(e, Decided)]
    if decided:
        return ROUTES[decided[-1].route]
    return "hand_over" if any(isinstance(e, HandedOver) for e in events) else "none"


def decider(events: Sequence[Event]) -> str:
    """Who had the last word."""
    answers = [e for e in events if isinstance(e, Answered)]
    if answers:
        verb = "" if answers[-1].verdict is Verdict.APPROVE else ", who said no"
        return f"{answers[-1].by}{verb}"
    if any(isinstance(e, Intended) for e in events):
        return "trimtab"
    return "a person" if any(isinstance(e, HandedOver) for e in events) else "nobody"


def control(workload: Workload, streams: Streams) -> Ending:
    """Nothing was to be done; verified when nothing was written."""
    mine = [*about(workload, streams), *streams.get(f"floor:{workload.key}", ())]
    wrote = any(isinstance(e, Intended | Applied) for e in mine)
    found = incident(about(workload, streams))
    return Ending(found.route, found.outcome, not wrote, None, found.by, found.incident)


def floor(events: Sequence[Event], decisive: datetime) -> Ending:
    """A floor: verified when it stood, above what its people wrote, when the load came, and nobody had to take it."""
    decided = [e for e in events if isinstance(e, Decided)]
    at_last = ROUTES[decided[-1].route] if decided else "none"
    held: FloorHeld | None = None
    ended = False
    for event in events:
        if event.at > decisive:
            break
        if isinstance(event, FloorHeld):
            held, ended = event, False
        elif isinstance(event, FloorEnded):
            ended = True
    acted = any(isinstance(e, Intended) for e in events)
    if held is None:
        return Ending(at_last, by="trimtab" if acted else "nobody")
    stood = not ended and held.replicas > held.was
    return Ending(at_last, "effective" if stood else "ineffective", stood, None, "trimtab")
