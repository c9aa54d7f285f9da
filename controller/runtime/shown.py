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
from controller.runtime.written import ASKED_ANEW

DEFAULT_EXPIRY = timedelta(minutes=15)


def name_of(incident: str, proposed: Proposed, events: Sequence[Event]) -> str:
    """`inc-2041-7f3a`; asked again about the same plan, `inc-2041-7f3a-2`, since an answer is given once."""
    return name_after(incident, proposed.plan.digest, len(questions(proposed, events)))


def name_after(incident: str, digest: str, questions: int) -> str:
    """The name of the object that stands for the newest of so many questions about one plan."""
    return f"{incident.lower()}-{digest[:4]}" + (f"-{questions}" if questions > 1 else "")


def plans(events: Sequence[Event]) -> tuple[Proposed, ...]:
    """Every plan of the incident, once each, newest last."""
    return tuple({event.plan.digest: event for event in events if isinstance(event, Proposed)}.values())


def questions(proposed: Proposed, events: Sequence[Event]) -> Mapping[int, Asked]:
    """Every question about this plan, by its place among the events."""
    digest = proposed.plan.digest
    return {i: event for i, event in enumerate(events) if isinstance(event, Asked) and event.digest == digest}


def rounds(proposed: Proposed, events: Sequence[Event]) -> tuple[Sequence[Event], ...]:
    """What had happened until this plan was asked about anew, once for each question but the last; and everything."""
    _, *anew = questions(proposed, events) or [0]
    return (*(events[:index] for index in anew), events)


def expires(proposed: Proposed, events: Sequence[Event]) -> datetime:
    """When its question ends (the newest one), or would have."""
    asked = list(questions(proposed, events).values())
    return asked[-1].expires if asked else proposed.at + DEFAULT_EXPIRY


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
            "expires": _time(expires(proposed, events)),
            "summary": clip(proposed.summary, 1024),
            "change": [clip(line, 512) for line in plan.change[:MAX_CHANGES]],
            "diff": clip(plan.diff, MAX_DIFF),
        },
    }


def status(
    incident: Incident, proposed: Proposed, events: Sequence[Event], generation: int, *, anew: bool = False
) -> Mapping[str, Any]:
    """What became of the plan so far; `anew` when these are the events until it was asked about once more."""
    digest = proposed.plan.digest
    own = [event for event in events if getattr(event, "digest", None) == digest]
    keys = {event.key for event in own if isinstance(event, Intended)}
    writes = [event for event in events if isinstance(event, Applied | NotApplied) and event.key in keys]
    decided = _last([event for event in own if not _lifted(event)], Decided)
    said = answers(proposed, events)
    answered = _last(said, Answered)
    verified = _last(own, Verified)
    shown: dict[str, Any] = {
        "observedGeneration": generation,
        "target": clip(f"{incident.workload.kind}/{incident.workload.name}", 256),
        "expires": _time(expires(proposed, events)),
        "answer": clip(_answer(said) or ("Asked anew" if anew else ""), 256),
        "conditions": [
            condition
            for condition in (
                _approved(said, generation, events[-1].at if anew else None),
                _executed(writes, generation),
                _verified(verified, generation),
                _undone(own, _refused(said, "undo-asked") if writes else None, generation),
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


def answers(proposed: Proposed, events: Sequence[Event]) -> tuple[Event, ...]:
    """What came of the newest question about this plan: an answer counts for the question that it was given to."""
    digest = proposed.plan.digest
    asked = list(questions(proposed, events))
    since = events[asked[-1] if asked else events.index(proposed) :]
    return tuple(
        event
        for event in since
        if getattr(event, "digest", None) == digest or (isinstance(event, Ignored) and not event.digest)
    )


def _last(events: Sequence[Event], kind: type[Any]) -> Any:
    return next((event for event in reversed(events) if isinstance(event, kind)), None)


def _lifted(event: Event) -> bool:
    """Whether it is the gate letting through what a person approved: the route that stays shown is the one before."""
    return isinstance(event, Decided) and any(reason.code == "approved" for reason in event.reasons)


def _answer(said: Sequence[Event]) -> str:
    answered = _last(said, Answered)
    if answered is not None:
        return f"{answered.verdict} {answered.by}"
    if _last(said, Expired) is not None:
        return "Expired"
    told = [event for event in said if not isinstance(event, Ignored)]
    return "Superseded" if told and isinstance(told[-1], Superseded) else ""


def _refused(said: Sequence[Event], what: str) -> Ignored | None:
    """The last word of a person that did not count, None when there is none."""
    return next((event for event in reversed(said) if isinstance(event, Ignored) and event.what == what), None)


def _approved(said: Sequence[Event], generation: int, over: datetime | None) -> dict[str, Any] | None:
    """What was answered; `over`: when the question was, because the same plan was asked about once more."""
    answered, expired, ignored = _last(said, Answered), _last(said, Expired), _refused(said, "answered")
    if answered is not None:
        yes = answered.verdict == "Approve"
        told = f"{answered.by} by {answered.via}" + (f": {answered.reason}" if answered.reason else "")
        return _condition("Approved", yes, "Answered", told, answered.at, generation)
    if expired is not None:
        return _condition("Approved", False, "Expired", "nobody answered in time", expired.at, generation)
    if over is not None:
        told = "the same plan was asked about once more: answer the newer Remediation"
        return _condition("Approved", False, ASKED_ANEW, told, over, generation)
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


def _undone(own: Sequence[Event], refused: Ignored | None, generation: int) -> dict[str, Any] | None:
    """Taken back, or asked to be; only if neither, refused to be."""
    wished: Undone | UndoAsked | None = next((e for e in reversed(own) if isinstance(e, Undone | UndoAsked)), None)
    match wished or refused:
        case None:
            return None
        case Undone() as undone:
            reason = "Restored" if undone.restored else "NotOurs"
            return _condition("Undone", undone.restored, reason, undone.detail, undone.at, generation)
        case UndoAsked() as asked:
            return _condition("Undone", False, "Asked", f"{asked.by}: by {asked.via}", asked.at, generation)
        case Ignored() as ignored:
            return _condition("Undone", False, "Refused", f"{ignored.by}: {ignored.reason}", ignored.at, generation)


def _condition(kind: str, holds: bool, reason: str, message: str, at: datetime, generation: int) -> dict[str, Any]:
    return {
        "type": kind,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": clip(message, 2048),
        "observedGeneration": generation,
        "lastTransitionTime": _time(at),
    }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
