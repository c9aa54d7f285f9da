"""What became of a story, read from the event log and nothing else.

Promises that nothing is taken from what the demo itself knows or intended: a write that did not happen leaves a log in
which nothing is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias, assert_never

from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Bearing,
    Decided,
    Event,
    FloorHeld,
    FloorJudged,
    HandedOver,
    Intended,
    Opened,
    Proposed,
    Verdict,
    Verified,
)
from controller.core.floor import stream_of
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
    `refused` that a person said no, `detail` what was seen at last.
    """

    route: str = "none"
    outcome: str = "none"
    verified: bool = False
    seconds: float | None = None
    by: str = "nobody"
    incident: str = ""
    refused: bool = False
    detail: str = ""


WRONG = frozenset({"ineffective", "harmful", "inconclusive"})
"""Outcomes that nobody wants."""

BEARINGS: Mapping[Bearing, str] = {
    Bearing.IN_TIME: "effective",
    Bearing.NOT_NEEDED: "none",
    Bearing.LATE: "ineffective",
    Bearing.EXCEEDED: "ineffective",
    Bearing.UNKNOWN: "inconclusive",
}
"""What a floor was worth, in the words of a repair."""

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


def ending(kind: Kind, workload: Workload, streams: Streams, told: str = "") -> Ending:
    """How the story of this workload ended; `told` names the one incident that it is about, empty: any."""
    about = [events for name, events in incidents(workload, streams).items() if told in ("", name)]
    match kind:
        case Kind.SCALING:
            return floor(streams.get(stream_of(workload), ()))
        case Kind.CANARY | Kind.INCIDENT:
            return incident(decisive(about, came_to_something))
        case Kind.HANDOVER:
            return incident(decisive(about, wrote))
        case Kind.CONTROL:
            still = not any(map(wrote, [*about, streams.get(stream_of(workload), ())]))
            return replace(incident(decisive(about, wrote)), verified=still, seconds=None)
        case _:
            assert_never(kind)


def found(workload: Workload, streams: Streams) -> tuple[tuple[Kind, str], ...]:
    """What there is to tell of a workload about which nothing was expected: its floor, and every incident by name."""
    held = any(isinstance(e, FloorHeld) for e in streams.get(stream_of(workload), ()))
    told = [(Kind.SCALING, "")] if held else []
    told += [(kind_of(events), name) for name, events in incidents(workload, streams).items()]
    return tuple(told) or ((Kind.CONTROL, ""),)


def kind_of(events: Sequence[Event]) -> Kind:
    """What an incident was about."""
    if any(isinstance(e, Proposed) and e.licence is Licence.GUARANTEED for e in events):
        return Kind.CANARY
    return Kind.HANDOVER if any(isinstance(e, HandedOver) for e in events) and not wrote(events) else Kind.INCIDENT


def incidents(workload: Workload, streams: Streams) -> dict[str, Sequence[Event]]:
    """The events of every incident of the workload, by name, in the order in which they opened."""
    return {
        opened.incident: events
        for events in streams.values()
        if events and isinstance(opened := events[0], Opened) and opened.workload == workload
    }


def decisive(about: Sequence[Sequence[Event]], weighty: Callable[[Sequence[Event]], bool]) -> Sequence[Event]:
    """Of several incidents the one by which a story is judged: the first that went wrong, else the first that is
    weighty, else the first; no events when there is none.
    """
    wrong = (events for events in about if incident(events).outcome in WRONG)
    heavy = (events for events in about if weighty(events))
    return next(wrong, next(heavy, next(iter(about), ())))


def came_to_something(events: Iterable[Event]) -> bool:
    """Whether the gate was asked, or a person got it."""
    return any(isinstance(e, Decided | HandedOver) for e in events)


def wrote(events: Iterable[Event]) -> bool:
    """Whether a write was begun or made."""
    return any(isinstance(e, Intended | Applied) for e in events)


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
        detail=verified.detail if verified is not None else "",
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


def floor(events: Sequence[Event]) -> Ending:
    """A floor: verified when its pods stood ready for the load that it was raised for, as the loop judged it. One that
    fell short is not made good by a later one; a load beyond the forecast, which now and then is to be expected, counts
    against it only when its pods were missing or nothing else was seen.
    """
    decided = [e for e in events if isinstance(e, Decided)]
    judged = [e for e in events if isinstance(e, FloorJudged) and e.bearing is not Bearing.NOT_NEEDED]
    short = [e for e in judged if e.missing and e.bearing in {Bearing.LATE, Bearing.EXCEEDED}]
    within = [e for e in judged if e.bearing is not Bearing.EXCEEDED] or judged
    decisive = max(short, key=lambda e: e.missing) if short else within[-1] if within else None
    outcome = BEARINGS[decisive.bearing] if decisive is not None else "none"
    return Ending(
        route=ROUTES[decided[-1].route] if decided else "none",
        outcome=outcome,
        verified=outcome == "effective",
        by="trimtab" if wrote(events) else "nobody",
        detail=borne(decisive) if decisive is not None else "",
    )


def borne(judged: FloorJudged) -> str:
    """What a floor was worth, in a clause."""
    match judged.bearing:
        case Bearing.IN_TIME:
            return "its pods were ready when the load came"
        case Bearing.NOT_NEEDED:
            return "the minimum of its people would have done"
        case Bearing.LATE:
            return f"the load needed pods that were not ready ({judged.missing} missing)"
        case Bearing.EXCEEDED:
            missing = f" ({judged.missing} pods missing)" if judged.missing else ""
            return f"the load went to {judged.peak or 0:.0f}/s where at most {judged.bound:.0f}/s was expected{missing}"
        case Bearing.UNKNOWN:
            return "nobody could see whether its pods were ready when the load came"
        case _:
            assert_never(judged.bearing)
