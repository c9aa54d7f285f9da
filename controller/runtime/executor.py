"""The executor: carries out what the gate let through, once, across crashes.

Promises, in this order: intent and budget are committed before any call; the target is read live and the gate asked
again just before the write; the write is claimed under the leader's epoch after that read; it names the read's
resourceVersion. A result that is not known is settled by reading, never repeated blind. Without a decision of Auto it
refuses, whoever calls (S21).

DOES NOT verify: that is `loops/verifying.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

import structlog

from controller.core import unsettled
from controller.core.budget import Spent, charges, keeping
from controller.core.decide import AGAIN, Approval, Auto, Decision, decide
from controller.core.events import (
    Applied,
    Claimed,
    Decided,
    HandedOver,
    Intended,
    NotApplied,
    Noted,
    Superseded,
    Undone,
)
from controller.core.incident import Incident, Intent
from controller.core.observe import plain
from controller.core.policy import Policy
from controller.core.proposal import Proposal
from controller.core.routes import Lifts, Route, blocker
from controller.journal import BudgetSpent
from controller.observe.facts import gather, read_pause, spent
from controller.observe.rooms import Rooms
from controller.observe.sight import Seen
from controller.ports import OutboxRow, Reservation
from controller.runtime.readings import Readings
from remediations import cluster as answers
from remediations.cluster import World
from remediations.plan import Plan, Step, StepClass
from remediations.pointer import held, same_held
from remediations.verification import in_force

log = structlog.get_logger(__name__)

FRESH = timedelta(seconds=2)
"""How old the last look at target and kill switch may be when the write is sent (S7, S13)."""

UNDO_WAITS = "UndoWaits"
"""The Kubernetes Event of an undo that waits, and the code of the note that it was told."""

NEWER = "Fenced"
"""What the fence of a leader is refused with after which another one came: no trouble of the workload's."""


@dataclass(frozen=True, slots=True)
class Again:
    """Somebody wrote in between: another attempt makes sense."""

    incident: Incident


@dataclass(frozen=True, slots=True)
class Waits:
    """The write stays open; `for_good`, until somebody acts."""

    incident: Incident
    why: str
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Executor:
    """Writes for one leader; `epoch` is its own, asked at each claim."""

    rooms: Rooms
    epoch: Callable[[], int]

    async def apply(self, incident: Incident, seen: Seen, policy: Policy) -> Incident:
        """Commit to the current plan with its budget, then carry it out."""
        proposal, now = incident.proposal, self.rooms.clock.now()
        if proposal is None:
            return incident
        digest = proposal.plan.digest
        key = f"{incident.id}/{digest}/0"
        approved = incident.approved
        by, before = approved.by if approved else "", plain(seen.evidence)
        intended = Intended(now, key, digest, 0, 1, self.epoch(), by=by, before=before)
        reserve = reservations(incident, key, policy)
        try:
            incident = await self.rooms.journal.record(incident, (intended,), now, reserve=reserve)
        except BudgetSpent as full:
            return await self._spent(incident, digest, full, policy)
        return await self.settle(incident, seen, policy)

    async def _spent(self, incident: Incident, digest: str, full: BudgetSpent, policy: Policy) -> Incident:
        """Somebody else was faster with the last of a budget: the log says that it waits, not that it is done."""
        now, scope = self.rooms.clock.now(), full.exhausted.scope
        reason = blocker("budget", f"{scope} was spent by others just now", Lifts.TIME, now + AGAIN)
        log.info("budget spent", incident=incident.id, scope=scope)
        decided = Decided(now, digest, Route.WAIT, (reason,), policy.name)
        return await self.rooms.journal.record(incident, (decided,), now)

    async def revert(self, incident: Incident, by: str, seen: Seen, policy: Policy) -> Incident:
        """Commit to taking the action back, then do it. Charged to no budget, stopped only by the kill switch (S13); a
        write of another incident to the same workload is let come to its end first.
        """
        action, now = incident.action, self.rooms.clock.now()
        if action is None or not action.plan.undo or await self._paused(incident):
            return incident
        key = f"{incident.id}/{action.plan.digest}/undo"
        intended = Intended(now, key, action.plan.digest, 0, 1, self.epoch(), undo=True, by=by)
        try:
            incident = await self.rooms.journal.record(incident, (intended,), now, reserve=(kept(incident),))
        except BudgetSpent:
            await self._undo_waits(incident, action.plan.digest, by)
            return incident
        return await self.settle(incident, seen, policy)

    async def _undo_waits(self, incident: Incident, digest: str, by: str) -> None:
        """Say once for each undo what it waits for (S33)."""
        journal, workload, now = self.rooms.journal, incident.workload, self.rooms.clock.now()
        stream = f"shown:{incident.id}"
        noted = (item.event for item in await journal.store.read(stream))
        if any(isinstance(e, Noted) and (e.code, e.text) == (UNDO_WAITS, digest) for e in noted):
            return
        wish = f"the undo that {by} asked for" if by else "the undo"
        why = f"{wish} waits until the action of {await self._writing(incident)} is judged"
        log.info("undo waits", incident=incident.id, why=why)
        body = {
            "apiVersion": workload.api_version,
            "kind": workload.kind,
            "namespace": workload.namespace,
            "name": workload.name,
            "reason": UNDO_WAITS,
            "note": f"{incident.id}: {why}",
            "warning": False,
        }
        told = OutboxRow("event", f"{incident.id}/{digest}/{UNDO_WAITS}", body)
        if not await journal.note(stream, Noted(now, UNDO_WAITS, digest, by), now, outbox=(told,)):
            log.info("not noted, said again in the next round", incident=incident.id, code=UNDO_WAITS)

    async def _writing(self, incident: Incident) -> str:
        """The other incident of the workload whose action is under way."""
        key, history = incident.workload.key, self.rooms.history
        known = (history.open.get(key), *(one.incident for one in history.unfinished.get(key, ())))
        for name in known:
            other = await self.rooms.journal.load(name) if name is not None and name != incident.id else None
            if other is not None and (other.verifying or other.intent is not None):
                return other.id
        return "another incident"

    async def settle(self, incident: Incident, seen: Seen, policy: Policy) -> Incident:
        """Bring an open intent to its end: by reading what became of it, or by writing once more what still stands.
        What cannot come to its end is told to a person.
        """
        match await self._settled(incident, seen, policy):
            case Waits(incident, why, for_good):
                return await self._told(incident, why, for_good=for_good)
            case settled:
                return settled

    async def _settled(self, incident: Incident, seen: Seen, policy: Policy) -> Incident | Waits:
        intent = incident.intent
        if intent is not None and (intent.claimed or intent.epoch < self.epoch()):
            fenced = await self._fence(incident, step_of(incident))
            if fenced is not None:
                return fenced
        readings = Readings(self.rooms.cluster, incident.workload)
        while (intent := incident.intent) is not None:
            world = await readings.next()
            match world:
                case answers.Unreadable(message):
                    return Waits(incident, f"the workload cannot be read: {message}")
                case answers.Gone(message):
                    return await self._give_up(incident, intent, "gone", message)
                case World():
                    after = await self._attempt(incident, intent, world, seen, policy)
                    if not isinstance(after, Again):
                        return after
                    incident = after.incident
                case None:
                    return await self._give_up(incident, intent, "conflict", readings.why)
                case _:
                    assert_never(world)
        return incident

    async def _attempt(
        self, incident: Incident, intent: Intent, world: World, seen: Seen, policy: Policy
    ) -> Incident | Again | Waits:
        """One attempt on one reading."""
        step = step_of(incident)
        if intent.claimed and in_force(step, world):
            return await self._done(incident, intent, world.resource_version, by_reading=True)
        if intent.claimed and step.step_class is StepClass.OPAQUE:
            told = "it may be in; a step of class D is never repeated"
            return await self._give_up(incident, intent, "unknown", told)
        objection = await self._objection(incident, intent, world, seen, policy)
        if objection is None:
            return Waits(incident, "automation is paused, or whether it is cannot be read")
        if objection:
            return await self._supersede(incident, intent, objection)
        now = self.rooms.clock.now()
        if now - world.read_at > FRESH:
            log.warning("reading too old to write on", incident=incident.id, key=intent.key)
            return Waits(incident, f"reading the workload takes longer than {FRESH.seconds} s")
        claimed = Claimed(now, intent.key, self.epoch(), world.resource_version)
        incident = await self.rooms.journal.record(incident, (claimed,), now)
        result = await self.rooms.cluster.apply(step, world.resource_version)
        match result:
            case answers.Applied(version):
                return await self._done(incident, intent, version, by_reading=False)
            case answers.Conflict():
                return Again(incident)
            case answers.Gone(message):
                return await self._give_up(incident, intent, "gone", message)
            case answers.Refused(code, message):
                return await self._give_up(incident, intent, code, message)
            case answers.Unknown(message):
                log.warning("result unknown", incident=incident.id, key=intent.key, message=message)
                return Waits(incident, f"the answer did not come: {message}")
            case _:
                assert_never(result)

    async def _objection(
        self, incident: Incident, intent: Intent, world: World, seen: Seen, policy: Policy
    ) -> str | None:
        """Why the write may not be made now (empty: nothing speaks against it); None: it must wait as it is."""
        if intent.undo:
            return None if await self._paused(incident) else _not_ours(incident, world)
        decision = await self.decide_again(incident, world, seen, policy, own=intent.key)
        if isinstance(decision, Auto):
            return ""
        return "; ".join(reason.message for reason in decision.reasons if reason.route is decision.route)

    async def decide_again(
        self, incident: Incident, world: World, seen: Seen, policy: Policy, *, own: str = ""
    ) -> Decision:
        """The gate's answer on this live reading. `own` is the key of a reservation already made for it."""
        proposed, now = incident.proposal, self.rooms.clock.now()
        if proposed is None:
            message = "an intent without a proposal"
            raise ValueError(message)
        proposal = Proposal(
            proposed.runbook, proposed.summary, proposed.step, proposed.licence, proposed.plan, proposed.confidence
        )
        facts = await gather(self.rooms, proposal, incident, world, seen, policy, now)
        used = await spent(self.rooms, proposal, policy, now)
        return decide(
            proposal,
            facts,
            policy,
            without_own(used, proposal.plan, policy) if own else used,
            approval_of(incident),
            now,
        )

    async def _paused(self, incident: Incident) -> bool:
        return await read_pause(self.rooms, incident.workload.namespace) is not None

    async def _fence(self, incident: Incident, step: Step) -> Waits | None:
        """Void every resourceVersion that a write left behind may still carry, before deciding on it; None when that
        is done.

        An older leader's, stopped after its claim, or our own without an answer: it may be on its way yet.
        """
        result = await self.rooms.cluster.fence(incident.workload, step.uid, self.epoch())
        match result:
            case answers.Applied() | answers.Gone():
                return None
            case answers.Refused(code, message):
                return Waits(incident, f"{code}: {message}", for_good=code != NEWER)
            case answers.Conflict(message) | answers.Unknown(message):
                return Waits(incident, f"what was sent before cannot be voided: {message}")
            case _:
                assert_never(result)

    async def _told(self, incident: Incident, why: str, *, for_good: bool) -> Incident:
        """Page a person about a write that stays open; once for each write."""
        intent, now = incident.intent, self.rooms.clock.now()
        log.warning("write not settled", incident=incident.id, why=why)
        if intent is None or intent.told or not unsettled.due(intent, now, for_good=for_good):
            return incident
        paged = OutboxRow("page", incident.id, {"incident": incident.id, "severity": "error"})
        handed = HandedOver(now, unsettled.reasons(intent, why))
        return await self.rooms.journal.record(incident, (handed,), now, outbox=(paged,))

    async def _done(self, incident: Incident, intent: Intent, version: str, *, by_reading: bool) -> Incident:
        now = self.rooms.clock.now()
        applied = Applied(now, intent.key, version, "reading" if by_reading else "answer")
        if not intent.undo:
            return await self.rooms.journal.record(incident, (applied,), now)
        undone = Undone(now, intent.digest, True, "the former values are back", intent.by)
        kept = (open_key(incident),)
        return await self.rooms.journal.record(incident, (applied, undone), now, release=kept, outbox=over(incident))

    async def _give_up(self, incident: Incident, intent: Intent, code: str, message: str) -> Incident:
        now = self.rooms.clock.now()
        failed = NotApplied(now, intent.key, code, message)
        undone = Undone(now, intent.digest, False, message, intent.by)
        events = (failed, undone) if intent.undo else (failed,)
        freed = keys_of(incident, intent.key)
        return await self.rooms.journal.record(incident, events, now, release=freed, outbox=over(incident))

    async def _supersede(self, incident: Incident, intent: Intent, reason: str) -> Incident:
        now = self.rooms.clock.now()
        superseded = Superseded(now, intent.digest, reason, intent.key)
        undone = Undone(now, intent.digest, False, reason, intent.by)
        events = (superseded, undone) if intent.undo else (superseded,)
        freed = keys_of(incident, intent.key)
        return await self.rooms.journal.record(incident, events, now, release=freed, outbox=over(incident))


def over(incident: Incident) -> tuple[OutboxRow, ...]:
    """What tells the pager that the last write of an incident that is over is settled."""
    paged = incident.closed is not None and incident.paged
    return (OutboxRow("page", incident.id, {"incident": incident.id}),) if paged else ()


def open_key(incident: Incident) -> str:
    """The reservation that keeps the workload to this incident until its action is judged."""
    return f"{incident.id}/open"


def keys_of(incident: Incident, key: str) -> tuple[str, ...]:
    """Every reservation of one intent."""
    return key, open_key(incident)


def reservations(incident: Incident, key: str, policy: Policy) -> tuple[Reservation, ...]:
    """What the first write of a plan is charged to."""
    _, *budgets = charges(incident.workload, policy.budgets)
    return kept(incident), *(Reservation(key, charge.scope, 1, charge.window, charge.limit) for charge in budgets)


def kept(incident: Incident) -> Reservation:
    """What keeps others from the workload while this incident writes to it."""
    charge = keeping(incident.workload)
    return Reservation(open_key(incident), charge.scope, 1, charge.window, charge.limit)


def without_own(used: Spent, plan: Plan, policy: Policy) -> Spent:
    """What others have spent."""
    own = {charge.scope for charge in charges(plan.workload, policy.budgets)}
    return Spent({scope: units - 1 if scope in own else units for scope, units in used.by_scope.items()})


def approval_of(incident: Incident) -> Approval | None:
    """The approval of the current plan, good until the question's end (and a minute for what is under way)."""
    answer, question = incident.approved, incident.question
    if answer is None or question is None:
        return None
    return Approval(answer.digest, answer.by, question.good_until)


def step_of(incident: Incident) -> Step:
    """The step an open intent is about. Raises ValueError when there is none."""
    intent = incident.intent
    if intent is not None and intent.undo and incident.action is not None:
        return incident.action.plan.undo[intent.step]
    if intent is not None and incident.proposal is not None:
        return incident.proposal.plan.steps[intent.step]
    message = f"{incident.id} has no write to settle"
    raise ValueError(message)


def _not_ours(incident: Incident, world: World) -> str:
    """Why an undo has to leave the field alone: somebody else has changed it since; empty when it is still ours."""
    action = incident.action
    if action is None:
        return "nothing was done"
    wrote = [hold for step in action.plan.steps for hold in step.holds]
    foreign = [hold.pointer for hold in wrote if not same_held(hold, held(world.object, hold.pointer))]
    if action.plan.uid != world.uid:
        return "the object is another one now"
    return f"{', '.join(foreign)} no longer holds our value" if foreign else ""
