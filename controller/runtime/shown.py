"""A Remediation object as it should read: one per plan digest, made from the log. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from controller.api.shapes import API_VERSION, clip
from controller.api.v1alpha1.remediation import MAX_CHANGES, MAX_DIFF, MAX_REASONS
from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Decided,
    Event,
    Expired,
    Ignored,
    Intended,
    NotApplied,
    Proposed,
    Superseded,
    UndoAsked,
    Undone,
    Verified,
)
from controller.core.incident import Incident

DEFAULT_EXPIRY = timedelta(minutes=15)


def name_of(incident: str, proposed: Proposed, events: Sequence[Event]) -> str:
    """`inc-2041-7f3a`; asked again about the same plan, `inc-2041-7f3a-2`, since an answer is given once."""
    digest = proposed.plan.digest
    rounds = sum(isinstance(event, Asked) and event.digest == digest for event in events)
    return f"{incident.lower()}-{digest[:4]}" + (f"-{rounds}" if rounds > 1 else "")


def plans(events: Sequence[Event]) -> tuple[Proposed, ...]:
    """Every plan of the incident, once each, newest last."""
    return tuple({event.plan.digest: event for event in events if isinstance(event, Proposed)}.values())


def expires(proposed: Proposed, events: Sequence[Event]) -> datetime:
    """When its question ends (the newest one), or would have."""
    asked = [event.expires for event in events if isinstance(event, Asked) and event.digest == proposed.plan.digest]
    return asked[-1] if asked else proposed.at + DEFAULT_EXPIRY


def manifest(incident: Incident, proposed: Proposed, events: Sequence[Event]) -> dict[str, Any]:
    """The object with its spec, as it is created."""
    plan, workload = proposed.plan, incident.workload
    return {
        "apiVersion": API_VERSION,
        "kind": "Remediation",
        "metadata": {"name": name_of(incident.id, proposed, events), "namespace": workload.namespace},
        "spec": {
            "incident": incident.id,
            "runbook": proposed.runbook,
            "target": {
                "apiVersion": workload.api_version,
                "kind": workload.kind,
                "name": workload.name,
                "uid": plan.uid,
            },
            "digest": plan.digest,
            "expires": expires(proposed, events).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "summary": clip(proposed.summary, 1024),
            "change": [clip(line, 512) for line in plan.change[:MAX_CHANGES]],
            "diff": clip(plan.diff, MAX_DIFF),
        },
    }


def status(incident: Incident, proposed: Proposed, events: Sequence[Event], generation: int) -> Mapping[str, Any]:
    """What became of the plan so far."""
    digest = proposed.plan.digest
    own = [event for event in events if getattr(event, "digest", None) == digest]
    keys = {event.key for event in own if isinstance(event, Intended)}
    writes = [event for event in events if isinstance(event, Applied | NotApplied) and event.key in keys]
    decided = _last([event for event in own if not _lifted(event)], Decided)
    answered = _last(own, Answered)
    verified = _last(own, Verified)
    shown: dict[str, Any] = {
        "observedGeneration": generation,
        "target": clip(f"{incident.workload.kind}/{incident.workload.name}", 256),
        "answer": clip(_answer(answered, own), 256),
        "conditions": [
            condition
            for condition in (
                _approved(answered, own, _ignored(events, proposed, "answered"), generation),
                _executed(writes, generation),
                _verified(verified, generation),
                _undone(own, _ignored(events, proposed, "undo-asked"), bool(writes), generation),
            )
            if condition is not None
        ],
    }
    if decided is not None:
        shown["route"] = str(decided.route)
        shown["reasons"] = [
            {"code": reason.code, "message": clip(reason.message, 1024)} for reason in decided.reasons[:MAX_REASONS]
        ]
    if answered is not None:
        shown["decision"] = {"verdict": answered.verdict, "by": answered.by, "via": answered.via}
    if verified is not None:
        shown["outcome"] = verified.outcome
    return shown


def _last(events: Sequence[Event], kind: type[Any]) -> Any:
    return next((event for event in reversed(events) if isinstance(event, kind)), None)


def _lifted(event: Event) -> bool:
    """Whether it is the gate letting through what a person approved: the route that stays shown is the one before."""
    return isinstance(event, Decided) and any(reason.code == "approved" for reason in event.reasons)


def _answer(answered: Answered | None, own: Sequence[Event]) -> str:
    if answered is not None:
        return f"{answered.verdict} {answered.by}"
    if any(isinstance(event, Expired) for event in own):
        return "Expired"
    return "Superseded" if own and isinstance(own[-1], Superseded) else ""


def _ignored(events: Sequence[Event], proposed: Proposed, what: str) -> Ignored | None:
    """The last word of a person about this plan that did not count, None when there is none."""
    later = events[events.index(proposed) :]
    return next((event for event in reversed(later) if isinstance(event, Ignored) and event.what == what), None)


def _approved(
    answered: Answered | None, own: Sequence[Event], ignored: Ignored | None, generation: int
) -> dict[str, Any] | None:
    if answered is not None:
        yes = answered.verdict == "Approve"
        said = f"{answered.by} by {answered.via}" + (f": {answered.reason}" if answered.reason else "")
        return _condition("Approved", yes, "Answered", said, answered.at, generation)
    expired = _last(own, Expired)
    if expired is not None:
        return _condition("Approved", False, "Expired", "nobody answered in time", expired.at, generation)
    if ignored is not None:
        return _condition("Approved", False, "Refused", f"{ignored.by}: {ignored.reason}", ignored.at, generation)
    return None


def _executed(writes: Sequence[Applied | NotApplied], generation: int) -> dict[str, Any] | None:
    if not writes:
        return None
    match writes[-1]:
        case Applied() as applied:
            return _condition("Executed", True, "Applied", f"settled by {applied.settled}", applied.at, generation)
        case NotApplied() as failed:
            return _condition("Executed", False, "NotApplied", failed.message, failed.at, generation)


def _verified(verified: Verified | None, generation: int) -> dict[str, Any] | None:
    if verified is None:
        return None
    good = verified.outcome == "Effective"
    return _condition("Verified", good, str(verified.outcome), verified.detail, verified.at, generation)


def _undone(own: Sequence[Event], ignored: Ignored | None, written: bool, generation: int) -> dict[str, Any] | None:
    """Taken back, asked to be, or refused to be; the newest of these."""
    found = [event for event in (*own, *((ignored,) if ignored and written else ())) if isinstance(event, _UNDOING)]
    if not found:
        return None
    match max(found, key=lambda event: event.at):
        case Undone() as undone:
            reason = "Restored" if undone.restored else "NotOurs"
            return _condition("Undone", undone.restored, reason, undone.detail, undone.at, generation)
        case UndoAsked() as asked:
            return _condition("Undone", False, "Asked", f"{asked.by}: by {asked.via}", asked.at, generation)
        case Ignored() as refused:
            return _condition("Undone", False, "Refused", f"{refused.by}: {refused.reason}", refused.at, generation)


_UNDOING = (UndoAsked, Undone, Ignored)


def _condition(kind: str, holds: bool, reason: str, message: str, at: datetime, generation: int) -> dict[str, Any]:
    return {
        "type": kind,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": clip(message, 2048),
        "observedGeneration": generation,
        "lastTransitionTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
