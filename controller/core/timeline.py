"""The story of one incident: an answer line, then one row for everything that happened, told from its events alone.

Promises that every kind of event has a row or is silent on purpose (`SILENT`), and that blocked, expired, failed and
paused are never silent (S33). In Observe it says what would have been done, and why. Page, terminal and Markdown only
draw these rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from controller.core.confidence import Confidence
from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Bearing,
    Changed,
    Checked,
    Claimed,
    Closed,
    Decided,
    Diagnosed,
    Escalated,
    Event,
    Expired,
    FloorEnded,
    FloorHeld,
    FloorJudged,
    FloorProposed,
    FloorReleased,
    HandedOver,
    Ignored,
    Intended,
    Judged,
    Learned,
    NotApplied,
    Noted,
    NothingFits,
    Observed,
    Opened,
    Proposed,
    RevisionHealthy,
    RolloutBegan,
    RolloutEnded,
    Superseded,
    UndoAsked,
    Undone,
    Verdict,
    Verified,
    Via,
)
from controller.core.headline import headline, would_have
from controller.core.incident import Incident, fold
from controller.core.phrases import act, unfit
from controller.core.routes import Reason, Route, even_so
from controller.core.words import clean, clock, clock_seconds, fraction, short
from remediations.plan import Outcome, Plan

SILENT = (Claimed, RevisionHealthy)
"""Kinds that the story leaves out: steps of a write already told, and facts about no incident."""

DOORS = {Via.SLACK: "in Slack", Via.PAGE: "on the page", Via.KUBECTL: "with kubectl", Via.CLI: "on the command line"}


MOST_CAUSES = 3
"""Causes told in a row; the rest hardly matter and stand in the log."""


class Tone(StrEnum):
    """How a row is meant, for those who also show it by shape and colour."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened: its kind in a word or two, and the rest in one line; `details` for a closer look."""

    at: datetime
    word: str
    text: str
    why: str = ""
    tone: Tone = Tone.PLAIN
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """Everything told about one incident. `next` are commands that exist; `plan` is the newest one."""

    incident: Incident
    headline: str
    rows: tuple[Row, ...]
    next: tuple[str, ...]
    plan: Plan | None = None

    @property
    def id(self) -> str:
        """The incident's name."""
        return self.incident.id


def story(events: Iterable[tuple[int, Event]]) -> Story | None:
    """The story of one stream's (number, event) pairs; None when they do not begin with `Opened`."""
    numbered = tuple(events)
    incident = fold(numbered)
    if incident is None:
        return None
    told = tuple(event for _, event in numbered)
    rows = [row for index, event in enumerate(told) if (row := row_of(event, told, index)) is not None]
    plans = [event.plan for event in told if isinstance(event, Proposed)]
    return Story(
        incident=incident,
        headline=headline(incident, told),
        rows=tuple(sorted(rows, key=lambda row: row.at)),
        next=hints(incident),
        plan=plans[-1] if plans else None,
    )


def row_of(event: Event, told: Sequence[Event], index: int) -> Row | None:  # noqa: C901, PLR0911, PLR0912 - one arm per kind of event
    """The row of one event, None where the story leaves it out."""
    match event:
        case Opened():
            return Row(event.at, "detected", _symptoms(event), tone=Tone.BAD)
        case Observed():
            return _observed(event)
        case Changed():
            return Row(event.at, clean(event.what, 12), clean(event.text))
        case Diagnosed():
            return _diagnosed(event)
        case Proposed():
            return _proposed(event)
        case NothingFits():
            several = tuple(clean(reason) for reason in event.reasons) if len(event.reasons) > 1 else ()
            return Row(event.at, "no plan", unfit(event.reasons), tone=Tone.WAITING, details=several)
        case Decided():
            return _decided(event, told, index)
        case Asked() | Answered() | Expired() | Escalated():
            return _question(event, told)
        case Intended() | Applied() | NotApplied() | Superseded():
            return _write(event, told)
        case Checked() | Verified():
            return _judged(event, told, index)
        case UndoAsked() | Undone():
            return _undo(event)
        case HandedOver():
            return Row(event.at, "handed over", f"to a person: {_joined(event.reasons)}", tone=Tone.WAITING)
        case Learned():
            return _learned(event)
        case Closed():
            return Row(event.at, "closed", clean(event.reason))
        case Ignored():
            whose = f" (by {clean(event.by)})" if event.by else ""
            return Row(event.at, "ignored", f"{clean(event.what)}{whose}: {clean(event.reason)}")
        case Noted():
            whose = f" (by {clean(event.by)})" if event.by else ""
            return Row(event.at, clean(event.code, 12), f"{clean(event.text)}{whose}", tone=Tone.WAITING)
        case FloorProposed() | FloorHeld() | FloorEnded() | FloorReleased() | FloorJudged():
            return _floor(event)
        case RolloutBegan() | Judged() | RolloutEnded():
            return rollout_row(event)
        case Claimed() | RevisionHealthy():
            return None


def _floor(event: FloorProposed | FloorHeld | FloorEnded | FloorReleased | FloorJudged) -> Row:
    match event:
        case FloorProposed(plan=None):
            text = f"would hold a floor of {event.replicas} (its own minimum is {event.was})"
            return Row(event.at, "observed", text, _joined(event.reasons), Tone.WAITING)
        case FloorProposed():
            taking = " and take the field from its owner" if event.takes else ""
            text = f"hold a floor of {event.replicas}{taking} (its own minimum is {event.was})"
            return Row(event.at, "proposed", text, _joined(event.reasons))
        case FloorHeld(found=True):
            return Row(event.at, "floor", f"found {event.replicas} held already; goes on holding it")
        case FloorHeld():
            before = f" · {event.was} by {clean(event.owner)} before" if event.owner else f" · {event.was} before"
            return Row(event.at, "floor", f"holds {event.replicas}{before}", f"policy {clean(event.policy)}", Tone.GOOD)
        case FloorEnded():
            text = f"{event.replicas} taken back by {clean(event.by)}: left alone until the policy changes"
            return Row(event.at, "taken back", text, tone=Tone.WAITING)
        case FloorReleased():
            now = "" if event.to is None else f" · its minimum is {event.to}"
            return Row(event.at, "released", f"{clean(event.reason)}{now}")
        case FloorJudged():
            return _worth(event)
        case _:
            assert_never(event)


WORTH = {
    Bearing.IN_TIME: ("in time", "pods were ready whenever the load needed them", Tone.GOOD),
    Bearing.NOT_NEEDED: ("not needed", "its own minimum would have done", Tone.PLAIN),
    Bearing.LATE: ("late", "the load needed pods that were not ready yet", Tone.BAD),
    Bearing.EXCEEDED: ("exceeded", "the load went beyond what the floor was for", Tone.BAD),
    Bearing.UNKNOWN: ("not known", "load or pods were not seen often enough to say what it was worth", Tone.WAITING),
}


def _worth(event: FloorJudged) -> Row:
    word, text, tone = WORTH[event.bearing]
    missing = f" ({event.missing} missing)" if event.missing and event.bearing is Bearing.LATE else ""
    ready = f"{event.replicas} pods ready at {clock_seconds(event.ready_at)}" if event.ready_at is not None else ""
    bound = f"for a load up to {event.bound:.4g}"
    peak = f"the largest was {event.peak:.4g} at {clock_seconds(event.peak_at)}" if event.peak_at is not None else ""
    why = _joined(part for part in (bound, peak, ready) if part)
    return Row(event.at, word, f"floor of {event.replicas}: {text}{missing}", why, tone)


VERDICTS = {"promote": Tone.GOOD, "hold": Tone.WAITING, "roll-back": Tone.BAD, "cannot-know": Tone.WAITING}
ENDINGS = {
    "completed": "every pod is of this version",
    "gone-back": "the version before runs again",
    "replaced": "another version came after it",
    "gone": "the workload is gone",
    "switched-off": "the policy no longer wants it judged",
}


def rollout_row(event: RolloutBegan | Judged | RolloutEnded) -> Row:
    """The row of one event of a rollout."""
    match event:
        case RolloutBegan():
            text = f"{clean(event.old_version_name)} → {clean(event.version_name)}, judged beside each other"
            return Row(event.at, "rollout", text)
        case Judged():
            word = {"cannot-know": "cannot know"}.get(event.verdict, event.verdict)
            return Row(event.at, word, clean(event.text), tone=VERDICTS[event.verdict])
        case RolloutEnded():
            verdict = f"; last verdict: {clean(event.verdict)}" if event.verdict else ""
            return Row(event.at, "rollout over", f"{clean(event.version_name)}: {ENDINGS[event.how]}{verdict}")


def _joined(texts: Iterable[str]) -> str:
    return " · ".join(clean(text) for text in texts)


def _symptoms(event: Opened | Observed) -> str:
    return _joined((*(symptom.text for symptom in event.symptoms), f"data {event.data}"))


def _observed(event: Observed) -> Row:
    if event.symptoms:
        return Row(event.at, "observed", _symptoms(event), tone=Tone.BAD)
    if event.data != "healthy":
        return Row(event.at, "observed", f"no symptom, but data {clean(event.data)}: cannot be said", tone=Tone.WAITING)
    return Row(event.at, "cleared", "no symptom left · data healthy", tone=Tone.GOOD)


def _diagnosed(event: Diagnosed) -> Row:
    if not event.causes:
        return Row(event.at, "diagnosed", "no cause found", tone=Tone.WAITING)
    causes = " · ".join(f"{clean(cause.name)} {fraction(cause.score)}" for cause in event.causes[:MOST_CAUSES])
    return Row(event.at, "diagnosed", causes, clean(event.causes[0].reason))


def _proposed(event: Proposed) -> Row:
    rivals = [one for one in event.alternatives if one.estimate]  # doing nothing is none: it has no record
    others = "".join(f" · rather than {clean(one.runbook)} {fraction(one.estimate)}" for one in rivals)
    text = f"{clean(event.runbook)}: {act(event.plan).now}{others}"
    return Row(event.at, "proposed", text, _joined(event.because))


ROUTES = {
    Route.AUTO: "act alone",
    Route.ASK: "ask",
    Route.WAIT: "wait",
    Route.HAND_OVER: "hand over",
    Route.REFUSE: "do nothing",
}
"""The gate's answers as people read them."""


def _decided(event: Decided, told: Sequence[Event], index: int) -> Row | None:
    before = [item for item in told[:index] if isinstance(item, Decided | Proposed)]
    if before and isinstance(before[-1], Decided) and _same(before[-1], event):
        return None
    if event.route is Route.AUTO and any(reason.code == "approved" for reason in event.reasons):
        return None  # the row of the approval says it
    parts = _parts(next((e.confidence for e in reversed(told[:index]) if isinstance(e, Proposed)), None))
    if event.would is not None:
        what = next((act(e.plan).now for e in reversed(told[:index]) if isinstance(e, Proposed)), "act")
        text = f"{would_have(event.would, what)}: {_reasons(even_so(event.reasons), event.would)}{parts}"
        return Row(event.at, "observed", text, _policy(event), Tone.WAITING)
    tone = {Route.AUTO: Tone.PLAIN}.get(event.route, Tone.WAITING)
    return Row(event.at, "decided", f"{ROUTES[event.route]}: {_reasons(event.reasons, event.route)}{parts}", "", tone)


def _same(one: Decided, other: Decided) -> bool:
    def gist(event: Decided) -> object:
        return event.digest, event.route, event.would, tuple(reason.code for reason in event.reasons)

    return gist(one) == gist(other)


def _policy(event: Decided) -> str:
    return f"policy {clean(event.policy)}" if event.policy else ""


def _reasons(reasons: Sequence[Reason], route: Route) -> str:
    """The reasons that demand this route first, then what else speaks against acting."""
    deciding = [clean(reason.message) for reason in reasons if reason.route is route]
    others = [clean(reason.message) for reason in reasons if Route.AUTO < reason.route != route]
    text = "; ".join(deciding) or "nothing speaks against it"
    return f"{text}; also {'; '.join(others)}" if others else text


def _parts(confidence: Confidence | None) -> str:
    if confidence is None:
        return ""
    return f" (n = {confidence.n}; abnormal {fraction(confidence.abnormal)}, cause {fraction(confidence.cause)})"


def _question(event: Asked | Answered | Expired | Escalated, told: Sequence[Event]) -> Row:
    match event:
        case Asked():
            whom = ", ".join(clean(approver) for approver in event.approvers)
            text = f"{whom or 'nobody may approve'}, until {clock(event.expires)} UTC"
            return Row(event.at, "asked", text, tone=Tone.WAITING)
        case Answered():
            approved = event.verdict is Verdict.APPROVE
            reason = f": {clean(event.reason)}" if event.reason else ""
            text = f"by {clean(event.by)} {DOORS[event.via]}, plan {short(event.digest)}{reason}"
            return Row(event.at, "approved" if approved else "rejected", text, tone=Tone.GOOD if approved else Tone.BAD)
        case Expired():
            asked = next((e for e in told if isinstance(e, Asked) and e.digest == event.digest), None)
            until = f" until {clock(asked.expires)} UTC" if asked else ""
            text = f"nobody answered{until}; plan {short(event.digest)} will not be carried out"
            return Row(event.at, "expired", text, tone=Tone.BAD)
        case Escalated():
            return Row(event.at, "escalated", f"to {clean(event.to)} as well", tone=Tone.WAITING)


def _write(event: Intended | Applied | NotApplied | Superseded, told: Sequence[Event]) -> Row | None:
    if isinstance(event, Superseded):
        text = f"plan {short(event.digest)}: {clean(event.reason)}; nothing of it is written any more"
        return Row(event.at, "superseded", text, tone=Tone.WAITING)
    intended = next((e for e in told if isinstance(e, Intended) and e.key == event.key), None)
    undo = intended is not None and intended.undo
    match event:
        case Intended():
            settled = any(isinstance(e, Applied | NotApplied | Superseded) and e.key == event.key for e in told)
            again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
            text = f"{'taking it back' if undo else 'the write'}{again} is committed to, not settled yet"
            return None if settled else Row(event.at, "applying", text, tone=Tone.WAITING)
        case Applied():
            how = "settled by reading after no answer" if event.settled == "reading" else _held(intended, told)
            text = f"1 effect · {'what was there before is back' if undo else how}"
            return Row(event.at, "applied", text)
        case NotApplied():
            what = "taking it back failed" if undo else "no effect"
            return Row(event.at, "not applied", f"{what} · {clean(event.message)} ({clean(event.code)})", tone=Tone.BAD)


def _held(intended: Intended | None, told: Sequence[Event]) -> str:
    """What the write rested on: `the plan still held (uid, generation 17, template)`."""
    plans = {e.plan.digest: e.plan for e in told if isinstance(e, Proposed)}
    plan = plans.get(intended.digest) if intended is not None else None
    if plan is None:
        return "the plan still held"
    read = [clean(held.pointer.rpartition("/")[2], 40) for held in plan.reads if held.present]
    generation = [f"generation {plan.generation}"] if plan.generation is not None else []
    return f"the plan still held ({', '.join(('uid', *generation, *dict.fromkeys(read)))})"


def _judged(event: Checked | Verified, told: Sequence[Event], index: int) -> Row | None:
    if isinstance(event, Verified):
        tone = {Outcome.EFFECTIVE: Tone.GOOD, Outcome.INCONCLUSIVE: Tone.WAITING}.get(event.outcome, Tone.BAD)
        return Row(event.at, "verified", f"{clean(event.detail)} → {event.outcome.lower()}", tone=tone)
    plain = event.held is not None and not event.worse
    judged = any(isinstance(later, Verified) and later.digest == event.digest for later in told[index:])
    if plain and judged:
        return None  # the verdict says it
    if event.held is None:
        return Row(event.at, "checked", f"cannot be said: {clean(event.detail)}", tone=Tone.WAITING)
    if event.worse:
        return Row(event.at, "checked", f"worse than before: {clean(event.detail)}", tone=Tone.BAD)
    return Row(event.at, "checked", f"{'good so far' if event.held else 'not yet'}: {clean(event.detail)}")


def _undo(event: UndoAsked | Undone) -> Row:
    if isinstance(event, UndoAsked):
        return Row(event.at, "undo asked", f"by {clean(event.by)} {DOORS[event.via]}", tone=Tone.WAITING)
    whose = f"by {clean(event.by)}: " if event.by else "after harm: "
    if event.restored:
        return Row(event.at, "undone", f"{whose}{clean(event.detail)}")
    return Row(event.at, "not undone", f"{whose}it is not ours any more: {clean(event.detail)}", tone=Tone.BAD)


def _learned(event: Learned) -> Row:
    before, after = event.before, event.after
    record = f"this runbook {before.good}/{before.n} → {after.good}/{after.n}"
    bound = f"at least {fraction(before.lower)} → {fraction(after.lower)}"
    why = "" if event.good else f" · counted against it: {clean(event.label)}"
    return Row(event.at, "learned", f"{record} · {bound}{why}", tone=Tone.PLAIN if event.good else Tone.BAD)


def hints(incident: Incident) -> tuple[str, ...]:
    """The next commands, most useful first; only ones that exist."""
    name, place, found = incident.id, incident.workload.namespace, []
    if incident.question is not None and incident.question.open:
        found += [
            f"trimtab plan {name}",
            f"trimtab approve {name} -n {place}",
            f'trimtab reject {name} -n {place} --reason "…"',
        ]
    action = incident.action
    if action is not None and action.plan.undo and action.undone is None and not action.undo_asked_by:
        found.append(f"trimtab undo {name} -n {place}")
    if incident.decision is not None and any(reason.code == "paused" for reason in incident.decision.reasons):
        found.append("trimtab resume")
    found.append(f"trimtab explain {name} --output markdown")
    judged = incident.action is not None and incident.action.outcome is not None
    if judged or incident.nothing_fits:
        found.append(f"trimtab incidents export {name} --as runbook-test")
    return tuple(found)


ANSWERING = frozenset({"approve", "reject", "undo", "resume"})
"""Commands that act as whoever runs them, so they belong on that person's machine."""


def places(commands: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The commands to run on one's own machine, and those that read the log and run where it is: in the pod."""
    told = tuple(commands)
    answering = tuple(command for command in told if command.split()[1] in ANSWERING)
    return answering, tuple(command for command in told if command not in answering)
