"""Proposing: which runbook fits, what it would do, how sure we are, and what the gate says.

Promises that nothing is proposed while a write is open or its effect is not judged, that the world is read live for
each plan, and that a decision is recorded only when it differs from the one that stands.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from controller.core.decide import Decision
from controller.core.events import Alternative, Cause, Decided, Event, NothingFits, Proposed, Superseded
from controller.core.incident import Incident, step_name
from controller.core.rollout import REGRESSION
from controller.core.routes import Licence, Route
from controller.loops.would import would
from controller.observe.consent import Consent
from controller.observe.rooms import Rooms
from controller.observe.sight import Seen
from controller.runtime.executor import Executor
from remediations.cluster import World
from remediations.plan import Outcome, Plan, Refusal, sense_of
from remediations.verification import still_holds
from runbooks.load import parameters
from runbooks.match import Match, match
from runbooks.schema import Runbook

SAME_ROUTE = timedelta(minutes=1)
"""How long other reasons for the same route wait to be recorded."""
SAME_REASONS = timedelta(seconds=50)
"""How long other reasons why nothing fits wait to be recorded: less than the minute after which a person is paged, who
is told the newest.
"""


async def consider(rooms: Rooms, executor: Executor, incident: Incident, seen: Seen, consent: Consent) -> Incident:
    """Bring proposal and decision up to date with the world."""
    harmed = incident.action is not None and incident.action.outcome is Outcome.HARMFUL
    if incident.closed or incident.intent or incident.verifying or harmed or not incident.symptoms:
        return incident
    world = await rooms.cluster.read(incident.workload)
    if not isinstance(world, World) or not seen.symptoms:
        return incident
    world = rooms.history.with_healthy(world)
    best = propose(rooms, incident, seen, world)
    if not stands(incident.proposal, best, world):
        incident = await adopt(rooms, incident, best)
    if incident.proposal is None:
        return incident
    decision = await executor.decide_again(incident, world, seen, consent.policy)
    return await decided(rooms, incident, decision, consent)


def propose(rooms: Rooms, incident: Incident, seen: Seen, world: World) -> Proposed | NothingFits:
    """What the likeliest of the matching runbooks would do next, with the alternatives; or why none does anything."""
    matching = match(seen.evidence, rooms.consents.runbooks(incident.workload), incident.workload, rooms.registry)
    said = [f"{item.runbook.name}: {item.reason}" for item in matching.rejected]
    found: list[Proposed] = []
    for candidate in matching.matches:
        proposed, objections = next_step(rooms, incident, candidate, seen, world)
        said += [f"{candidate.runbook.name}: {objection}" for objection in objections]
        found += [proposed] if proposed is not None else []
    if not found:
        return NothingFits(rooms.clock.now(), tuple(said) or ("no runbook speaks for this workload",))
    first, *others = sorted(found, key=likelier)
    also = (Alternative(other.runbook, other.confidence.estimate, "also matched") for other in others)
    return replace(first, alternatives=(*also, Alternative("do nothing", 0.0, "what happens without an answer")))


def next_step(
    rooms: Rooms, incident: Incident, candidate: Match, seen: Seen, world: World
) -> tuple[Proposed | None, tuple[str, ...]]:
    """The first step of a runbook that can be planned and that nothing in this incident speaks against (None: there is
    none); and what speaks against those before it.
    """
    objections: list[str] = []
    for index in range(len(candidate.runbook.spec.steps)):
        plan = planned(rooms, candidate.runbook, index, seen, world)
        if step_name(candidate.runbook.reference, index) in incident.tried:
            objections.append(f"step {index + 1} was tried and did not help")
        elif isinstance(plan, Refusal):
            objections.append(plan.message)
        elif repeats(plan, incident):
            objections.append("the same change was made and did not help")
        elif not kept(candidate, index, incident, world) and (by := incident.rejected_by(plan)) is not None:
            objections.append(f"{by} rejected this change")
        else:
            return proposal_of(rooms, candidate, index, plan, seen), tuple(objections)
    return None, tuple(objections)


def repeats(plan: Plan, incident: Incident) -> bool:
    """Whether this very change was made in this incident, by whichever runbook, and did not help."""
    action = incident.action
    if action is None or (action.outcome in (None, Outcome.EFFECTIVE) and action.undone is None):
        return False
    return sense_of(plan) == sense_of(action.plan)


def kept(candidate: Match, index: int, incident: Incident, world: World) -> bool:
    """Whether this step is what a person has just rejected and has in hand: it stays proposed while it fits, so that
    the gate goes on saying who said no. Once it has gone, that change does not come again.
    """
    current = incident.proposal
    own = current is not None and (current.runbook, current.step) == (candidate.runbook.reference, index)
    return own and current is not None and still_holds(current.plan, world)


def planned(rooms: Rooms, runbook: Runbook, index: int, seen: Seen, world: World) -> Plan | Refusal:
    """The exact change of one step of a runbook."""
    step = runbook.spec.steps[index]
    remediation = rooms.registry[step.remediation]
    if world.workload.kind not in remediation.targets:
        return Refusal("other-kind", f"{step.remediation} cannot act on a {world.workload.kind}")
    return remediation.plan(world.workload, world, parameters(step, remediation), rooms.clock.now())


def proposal_of(rooms: Rooms, candidate: Match, index: int, plan: Plan, seen: Seen) -> Proposed:
    """A plan with its measured confidence."""
    runbook = candidate.runbook
    confidence = rooms.history.confidence(
        runbook.name, plan.workload, seen.abnormal, cause_score(seen.causes, candidate.cause)
    )
    because, licence = tuple(str(fact) for fact in candidate.why), licence_of(candidate, plan, seen)
    return Proposed(
        rooms.clock.now(), runbook.reference, runbook.spec.summary, index, licence, plan, confidence, because
    )


def licence_of(candidate: Match, plan: Plan, seen: Seen) -> Licence:
    """By what right it may act alone: the test's guarantee for a rollback to the very version that the new one was held
    against, when the match rests on that test; a record of its own for everything else (S28).
    """
    rests = any(fact.name == REGRESSION and fact.value is True for fact in candidate.why)
    baseline = seen.rollout.old.uid if seen.rollout is not None and seen.rollout.rolled_back else None
    back = plan.remediation == "rollback" and baseline is not None
    if rests and back and all(step.source_uid == baseline for step in plan.steps):
        return Licence.GUARANTEED
    return Licence.EARNED


def likelier(proposal: Proposed) -> tuple[float, bool]:
    """Which of several is considered first: that of the likelier cause, of one cause that which may act by a guarantee;
    else they stay in the order of the matches, cheapest first (S27).
    """
    return -proposal.confidence.cause, proposal.licence is not Licence.GUARANTEED


def cause_score(causes: tuple[Cause, ...], cause: str) -> float:
    """How much speaks for the cause a runbook repairs; nothing when diagnosis does not name it."""
    return next((found.score for found in causes if found.name == cause), 0.0)


def stands(current: Proposed | None, best: Proposed | NothingFits, world: World) -> bool:
    """True when the current plan is of the best step and still fits the world: a later plan may differ only in its
    time.
    """
    if current is None or isinstance(best, NothingFits):
        return False
    return (current.runbook, current.step) == (best.runbook, best.step) and still_holds(current.plan, world)


async def adopt(rooms: Rooms, incident: Incident, best: Proposed | NothingFits) -> Incident:
    """Make it the current proposal, if it is another one."""
    now, current, events = rooms.clock.now(), incident.proposal, list[Event]()
    if isinstance(best, NothingFits):
        if current is not None:
            events.append(Superseded(now, current.plan.digest, "no runbook fits any more"))
        if worth_telling(incident, best):
            events.append(best)
    elif current is None or current.plan.digest != best.plan.digest:
        if current is not None:
            events.append(Superseded(now, current.plan.digest, "the world has changed: planned again"))
        events.append(best)
    return await rooms.journal.record(incident, events, now) if events else incident


def worth_telling(incident: Incident, best: NothingFits) -> bool:
    """Whether why nothing fits is another story than the one told, whatever the numbers in it: at once when none was
    told, else only after a while.
    """
    before, since = incident.nothing_fits, incident.nothing_fits_since
    if not before or since is None:
        return True
    return set(map(bare, best.reasons)) != set(map(bare, before)) and best.at - since >= SAME_REASONS


def bare(reason: str) -> str:
    """A reason without the values in brackets, which move with each look."""
    return reason.partition(" (")[0]


async def decided(rooms: Rooms, incident: Incident, decision: Decision, consent: Consent) -> Incident:
    """Record the gate's answer when it is another one than before."""
    proposal, before, now = incident.proposal, incident.decision, rooms.clock.now()
    if proposal is None:
        return incident
    if not worth_recording(before, decision, now):
        return incident
    instead: Route | None = would(decision) if decision.route is not Route.AUTO else None
    event = Decided(now, proposal.plan.digest, decision.route, decision.reasons, consent.policy.name, instead)
    return await rooms.journal.record(incident, (event,), now)


def worth_recording(before: Decided | None, decision: Decision, now: datetime) -> bool:
    """Whether the gate's answer says something new: another route at once, other reasons for the same route at most
    once a minute, since a reason may come and go with each pod that flaps.
    """
    if before is None or before.route is not decision.route:
        return True
    same = {reason.code for reason in before.reasons} == {reason.code for reason in decision.reasons}
    return not same and now - before.at >= SAME_ROUTE
