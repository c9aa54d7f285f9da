"""Verifying: is the service well again?

Promises that only what was observed after the write counts, that bad data is no answer, and that what the objects say
(is the change in force, are its pods ready) has to agree with what the indicators say (S23, S24).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from controller.core.events import Checked, Closed, Event, Learned, Verified
from controller.core.incident import Action, Incident
from controller.core.judge import Look, Patience, blame, healthy, judge, worse
from controller.core.labels import name_of
from controller.core.observe import plain
from controller.loops.asking import resolved
from controller.observe.rooms import Rooms
from controller.observe.sight import Seen
from controller.ports import OutboxRow
from controller.runtime.executor import open_key
from remediations.plan import Outcome
from remediations.verification import troubled
from runbooks.schema import Runbook
from runbooks.verify import CannotTell, Held, NotYet, verify

PATIENCE = Patience(within=timedelta(minutes=10), lasting=timedelta(minutes=1))
"""For a runbook that has vanished meanwhile: health alone decides."""


async def verified(rooms: Rooms, incident: Incident, seen: Seen, runbook: Runbook | None) -> Incident:
    """Look once more at what an action did, and judge it when it is time."""
    action, now = incident.action, rooms.clock.now()
    if action is None or seen.at <= action.applied_at:
        return incident
    answer = look(rooms, action, seen, runbook)
    known = (action.held, action.worse_since is not None, action.rolled_out_at is not None)
    if (answer.held, answer.worse, answer.rolled_out) != known:
        checked = Checked(now, action.plan.digest, answer.held, answer.detail, answer.worse, answer.rolled_out)
        incident = await rooms.journal.record(incident, (checked,), now)
        action = incident.action or action
    outcome = judge(action, answer, patience(runbook, action.step), now)
    return incident if outcome is None else await conclude(rooms, incident, action, outcome, answer.detail, now)


def look(rooms: Rooms, action: Action, seen: Seen, runbook: Runbook | None) -> Look:
    """One look: objects, health, and the runbook's own conditions; the first that is missing is the detail."""
    done = action.rolled_out_at is not None
    if seen.world is None:
        return Look(False, False, "the workload is gone", done)
    if not seen.data.healthy:
        return Look(None, False, f"the data cannot be trusted: {seen.data}", done)
    outcome = rooms.registry[action.plan.remediation].verify(action.plan, seen.world)
    overdue = rooms.clock.now() - action.applied_at >= patience(runbook, action.step).excused
    by = blame(action, outcome, troubled(seen.world, action.applied_at), seen.at - rooms.sight.window, overdue)
    bad = worse(action.before, plain(seen.evidence), action.plan.touches.ready_at_least, by)
    held, detail = effect(outcome) or health(action, seen, runbook)
    return Look(held, bad, detail, done or outcome is Outcome.EFFECTIVE)


def effect(outcome: Outcome) -> tuple[bool, str] | None:
    """What the objects say against success, None when the change is in force and its pods are ready."""
    match outcome:
        case Outcome.EFFECTIVE:
            return None
        case Outcome.INCONCLUSIVE:
            return False, "still under way"
        case Outcome.INEFFECTIVE | Outcome.HARMFUL:
            return False, "the change is not in force, or its pods do not become ready"
        case _ as never:
            assert_never(never)


def health(action: Action, seen: Seen, runbook: Runbook | None) -> tuple[bool | None, str]:
    """Whether the service is well, and by the runbook's own conditions."""
    well, detail = healthy(action.before, plain(seen.evidence), tuple(symptom.text for symptom in seen.symptoms))
    if well is not True or runbook is None:
        return well, detail
    match verify(runbook, seen.evidence):
        case Held(facts):
            told = ", ".join(str(fact) for fact in facts if fact.name not in ("replicas.ready", "replicas.desired"))
            return True, f"{seen.words or told}, {detail}" if seen.words or told else detail
        case NotYet(conditions, _):
            return False, f"not yet: {conditions[0]}"
        case CannotTell(missing, errors):
            return None, f"cannot be told: {', '.join((*missing, *errors))}"
        case _ as never:
            assert_never(never)


def patience(runbook: Runbook | None, step: int) -> Patience:
    """How long the runbook waits: it may have been changed since, and have fewer steps."""
    if runbook is None:
        return PATIENCE
    timeouts = [each.timeout for each in runbook.spec.steps[step : step + 1]]
    return Patience(runbook.spec.verify.within, runbook.spec.verify.for_, *timeouts)


async def conclude(
    rooms: Rooms, incident: Incident, action: Action, outcome: Outcome, detail: str, now: datetime
) -> Incident:
    """Write down the outcome, give the workload free, and say what was learned."""
    name = name_of(action.runbook)
    before = rooms.history.confidence(name, incident.workload, 1.0, 1.0)
    judged = Verified(now, action.plan.digest, outcome, detail)
    incident = await rooms.journal.record(incident, (judged,), now, release=(open_key(incident),))
    await rooms.journal.catch_up()
    after = rooms.history.confidence(name, incident.workload, 1.0, 1.0)
    further: list[Event] = []
    told: tuple[OutboxRow, ...] = ()
    if after != before:
        good = outcome is Outcome.EFFECTIVE
        further.append(Learned(now, action.runbook, good, outcome.value.lower(), before, after))
    match outcome:
        case Outcome.EFFECTIVE:
            further.append(Closed(now, "effective"))
            told = resolved(incident)
        case Outcome.HARMFUL | Outcome.INEFFECTIVE | Outcome.INCONCLUSIVE:
            pass
    return await rooms.journal.record(incident, further, now, outbox=told) if further else incident
