"""What happened: the events of which everything that is known of the past is a fold.

Promises that a stored event is never changed: a new shape gets a new version and an upcaster, and a golden file of
every released one is read by a test. Events are plain values; they carry their own time, so that a replay needs no
clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import Field, TypeAdapter

from controller.core.events.besides import Noted, RevisionHealthy
from controller.core.events.floors import Bearing, FloorEnded, FloorHeld, FloorJudged, FloorProposed, FloorReleased
from controller.core.events.incidents import (
    Answered,
    Applied,
    Asked,
    Changed,
    Checked,
    Claimed,
    Closed,
    Decided,
    Diagnosed,
    Escalated,
    Expired,
    HandedOver,
    Ignored,
    Intended,
    Learned,
    NotApplied,
    NothingFits,
    Observed,
    Opened,
    Proposed,
    Superseded,
    UndoAsked,
    Undone,
    Verified,
)
from controller.core.events.parts import Alternative, Cause, Symptom, Verdict, Via
from controller.core.events.rollouts import Judged, RolloutBegan, RolloutEnded

__all__ = [
    "UPCASTERS",
    "VERSIONS",
    "Alternative",
    "Answered",
    "Applied",
    "Asked",
    "Bearing",
    "Cause",
    "Changed",
    "Checked",
    "Claimed",
    "Closed",
    "Decided",
    "Diagnosed",
    "Escalated",
    "Event",
    "Expired",
    "FloorEnded",
    "FloorHeld",
    "FloorJudged",
    "FloorProposed",
    "FloorReleased",
    "HandedOver",
    "Ignored",
    "Intended",
    "Judged",
    "Learned",
    "NotApplied",
    "Noted",
    "NothingFits",
    "Observed",
    "Opened",
    "Proposed",
    "RevisionHealthy",
    "RolloutBegan",
    "RolloutEnded",
    "Superseded",
    "Symptom",
    "UndoAsked",
    "Undone",
    "UnknownEvent",
    "Upcaster",
    "Verdict",
    "Verified",
    "Via",
    "decode",
    "encode",
]

Event: TypeAlias = (
    Opened
    | Observed
    | Changed
    | Diagnosed
    | Proposed
    | NothingFits
    | Decided
    | Asked
    | Answered
    | Expired
    | Escalated
    | Intended
    | Claimed
    | Applied
    | NotApplied
    | Superseded
    | Checked
    | Verified
    | UndoAsked
    | Undone
    | HandedOver
    | Learned
    | Closed
    | Ignored
    | RolloutBegan
    | Judged
    | RolloutEnded
    | RevisionHealthy
    | Noted
    | FloorProposed
    | FloorHeld
    | FloorEnded
    | FloorReleased
    | FloorJudged
)

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    ("proposed", 1): dict,
    ("proposed", 2): dict,
    ("opened", 1): dict,
    ("checked", 1): dict,
    ("ignored", 1): dict,
}
"""(kind, version) → the body one version later. Released versions are in `tests/core/golden/events.jsonl`.
`proposed` 2: a step may hold its fields (`holding`); none did before. `proposed` 3: a plan may name its `sense`.
`opened` 2: the `template` that ran. `checked` 2: `rolled_out`. `ignored` 2: about which plan. What was not said before
is empty.
"""


class UnknownEvent(ValueError):
    """A stored event of a kind or version that this program does not know: a newer program wrote it."""


def encode(event: Event) -> tuple[str, int, dict[str, Any]]:
    """Kind, version and JSON body of an event."""
    body = _ADAPTER.dump_python(event, mode="json")
    body.pop("kind")
    return event.kind, event.version, body


def decode(kind: str, version: int, body: Mapping[str, Any]) -> Event:
    """The event of a stored row, upcast to today's version. Raises UnknownEvent."""
    current = {**body}
    while (upcast := UPCASTERS.get((kind, version))) is not None:
        current, version = upcast(current), version + 1
    known = VERSIONS.get(kind)
    if known != version:
        message = f"event {kind} version {version} is not known here (known: {known}): a newer trimtab wrote it"
        raise UnknownEvent(message)
    return _ADAPTER.validate_python({**current, "kind": kind}, strict=False)


VERSIONS: Mapping[str, int] = {str(cls.__dataclass_fields__["kind"].default): cls.version for cls in Event.__args__}
"""Today's version of every kind."""
