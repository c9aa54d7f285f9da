"""The holder: carries out what the gate let through for floors, once, across crashes.

Promises what `executor.py` promises of a repair: intent and budget committed before any call, the autoscaler read live
and the gate asked again just before the write, the write claimed under the leader's epoch and locked by that reading, a
result that is not known settled by reading. A release is asked of nobody's budget and stopped only by the kill switch.
Both are of class A: written again, they change nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from controller.core import unsettled
from controller.core.budget import Spent, floor_charges, pod_hours
from controller.core.confidence import Confidence
from controller.core.decide import Auto, Decision, decide
from controller.core.events import (
    Applied,
    Claimed,
    Decided,
    Event,
    FloorEnded,
    FloorHeld,
    FloorProposed,
    FloorReleased,
    Intended,
    NotApplied,
    Superseded,
)
from controller.core.facts import UNKNOWN, Facts
from controller.core.floor import Floor, accept, evolve
from controller.core.incident import Intent
from controller.core.policy import Policy
from controller.core.proposal import Proposal
from controller.core.routes import Licence, Lifts, Route, blocker
from controller.journal import BudgetSpent
from controller.observe.facts import read_freeze, read_pause, read_rights, spent
from controller.observe.rooms import Rooms
from controller.ports import OutboxRow, Reservation
from controller.runtime.executor import FRESH, NEWER
from controller.runtime.readings import Readings
from detectors.series import DataHealth, Workload
from remediations import cluster as answers
from remediations.cluster import World
from remediations.floor import FLOOR, LEAST, OWNER, WAS, address, least_of, marked, release_of
from remediations.floor import Floor as Remedy
from remediations.guards import inspect, opted_out, protected_target
from remediations.plan import Plan, Step
from remediations.pointer import held, same_held
from remediations.verification import changes_since, in_force

log = structlog.get_logger(__name__)

REMEDY = Remedy()
AGAIN = timedelta(seconds=30)
TOO_OLD = f"reading the autoscaler takes longer than {FRESH.seconds} s"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a floor is decided in: the policy, the data behind the number, and the workload as last heard of (whose
    labels a freeze selects by).
    """

    policy: Policy
    data: DataHealth
    workload: World | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Writes for one leader; `epoch` is its own, asked at each claim."""

    rooms: Rooms
    epoch: Callable[[], int]

    async def record(
        self,
        floor: Floor,
        *events: Event,
        reserve: tuple[Reservation, ...] = (),
        release: tuple[str, ...] = (),
        told: OutboxRow | None = None,
    ) -> Floor:
        """Append events and answer with the floor after them. Raises ValueError for one that makes no sense."""
        after = floor
        for event in events:
            refusal = accept(after, event)
            if refusal is not None:
                raise ValueError(f"{event.kind}: {refusal}")
            after = evolve(after, event)
        outbox = (told,) if told is not None else ()
        now = self.rooms.clock.now()
        number = await self.rooms.journal.append(
            floor.stream, floor.number, events, now, reserve=reserve, release=release, outbox=outbox
        )
        return replace(after, number=number)

    async def hold(self, floor: Floor, scene: Scene) -> Floor:
        """Commit to the proposed floor with its budget, then write it."""
        proposal = proposal_of(floor.proposal, scene.policy)
        if proposal is None:
            return floor
        digest, now = proposal.plan.digest, self.rooms.clock.now()
        key = f"{floor.stream}/{digest}/{floor.number}"
        intended = Intended(now, key, digest, 0, 1, self.epoch())
        reserve = tuple(
            Reservation(key, charge.scope, charge.units, charge.window, charge.limit)
            for charge in proposal.charges(scene.policy.budgets)
        )
        try:
            floor = await self.record(floor, intended, reserve=reserve)
        except BudgetSpent as full:
            return await self._spent(floor, digest, full, scene)
        return await self.settle(floor, scene)

    async def _spent(self, floor: Floor, digest: str, full: BudgetSpent, scene: Scene) -> Floor:
        """Somebody else was faster with the last of a budget: said in the log, not only in passing."""
        now, scope = self.rooms.clock.now(), full.exhausted.scope
        reason = blocker("budget", f"{scope} was spent by others just now", Lifts.TIME, now + AGAIN)
        decided = Decided(now, digest, Route.WAIT, (reason,), scene.policy.name)
        log.info("budget spent", floor=floor.workload.key, scope=scope)
        return await self.record(floor, decided, told=notice(floor, "FloorWaits", reason.message, warning=True))

    async def release(self, floor: Floor, target: Workload, code: str, reason: str, scene: Scene) -> Floor:
        """Commit to giving back everything on this autoscaler, then do it. Waits, as it is, while automation is
        paused.
        """
        if await read_pause(self.rooms, floor.workload.namespace) is not None:
            return floor
        now = self.rooms.clock.now()
        key = f"{floor.stream}/release/{floor.number}"
        before = {"reason": reason, "autoscaler": target.name}
        intended = Intended(now, key, "", 0, 1, self.epoch(), undo=True, by=code, before=before)
        return await self.settle(await self.record(floor, intended), scene)

    async def settle(self, floor: Floor, scene: Scene) -> Floor:
        """Bring an open intent to its end: by reading what became of it, or by writing once more what still stands.
        What cannot come to its end is told.
        """
        target, intent = target_of(floor), floor.intent
        if target is None or intent is None:
            return floor
        fenced = not (intent.claimed or intent.epoch < self.epoch())
        readings = Readings(self.rooms.cluster, target)
        while (intent := floor.intent) is not None:
            world = await readings.next()
            match world:
                case answers.Unreadable(message):
                    return await self._waits(floor, scene, f"the autoscaler cannot be read: {message}")
                case answers.Gone(message):
                    return await self._gone(floor, intent, message)
                case World() if not fenced:
                    result = await self.rooms.cluster.fence(target, world.uid, self.epoch())
                    if not isinstance(result, answers.Applied | answers.Gone):
                        return await self._unfenced(floor, scene, result)
                    fenced = True
                case World():
                    attempt = self._giving_back if intent.undo else self._holding
                    again, floor = await attempt(floor, intent, world, scene)
                    if not again:
                        return floor
                case None:
                    return await self._give_up(floor, intent, "conflict", readings.why)
                case _:
                    assert_never(world)
        return floor

    async def _holding(self, floor: Floor, intent: Intent, world: World, scene: Scene) -> tuple[bool, Floor]:
        proposal = proposal_of(floor.proposal, scene.policy)
        if proposal is None:
            return False, await self._give_up(floor, intent, "lost", "its plan is not known any more")
        plan = proposal.plan
        (step,) = plan.steps
        if intent.claimed and (in_force(step, world) or went_in(step, world)):
            return False, await self._held(floor, intent, plan, world.resource_version, by_reading=True)
        decision = await self.decide_again(proposal, world, scene, own=True)
        if not isinstance(decision, Auto):
            told = "; ".join(reason.message for reason in decision.reasons if reason.route is decision.route)
            over = Superseded(self.rooms.clock.now(), plan.digest, told, intent.key)
            return False, await self.record(floor, over, release=(intent.key,))
        if not self._fresh(world):
            return False, await self._waits(floor, scene, TOO_OLD)
        floor = await self._claim(floor, intent, world)
        result = await self.rooms.cluster.apply(step, world.resource_version)
        match result:
            case answers.Applied(version):
                return False, await self._held(floor, intent, plan, version, by_reading=False)
            case answers.Conflict(owners=owners) if owners:
                return False, await self._ended(floor, intent, owners, scene)
            case answers.Conflict():
                return True, floor
            case _:
                return False, await self._not_in(floor, intent, result, scene)

    async def _giving_back(self, floor: Floor, intent: Intent, world: World, scene: Scene) -> tuple[bool, Floor]:
        step = release_of(world)
        if step is None:
            return False, await self._released(floor, intent, world, world.resource_version)
        if await read_pause(self.rooms, floor.workload.namespace) is not None:
            return False, await self._waits(floor, scene, "automation is paused, or whether it is cannot be read")
        if not self._fresh(world):
            return False, await self._waits(floor, scene, TOO_OLD)
        floor = await self._claim(floor, intent, world)
        result = await self.rooms.cluster.release(step, world.resource_version)
        match result:
            case answers.Applied(version):
                after = await self.rooms.cluster.read(address(world.object))
                seen = after if isinstance(after, World) else world
                return False, await self._released(floor, intent, seen, version)
            case answers.Conflict():
                return True, floor
            case _:
                return False, await self._not_in(floor, intent, result, scene)

    async def _unfenced(
        self, floor: Floor, scene: Scene, result: answers.Refused | answers.Conflict | answers.Unknown
    ) -> Floor:
        """What an older leader may have sent, or we without an answer, cannot be voided: nothing is decided on it."""
        if isinstance(result, answers.Refused):
            return await self._waits(floor, scene, f"{result.code}: {result.message}", for_good=result.code != NEWER)
        return await self._waits(floor, scene, f"what was sent before cannot be voided: {result.message}")

    async def _waits(self, floor: Floor, scene: Scene, why: str, *, for_good: bool = False) -> Floor:
        """The write stays open: said in the log and as an Event, once, when it will not change by itself or lasts."""
        now, intent = self.rooms.clock.now(), floor.intent
        log.warning("write not settled", floor=floor.workload.key, why=why)
        if intent is None or waiting(floor) or not unsettled.due(intent, now, for_good=for_good):
            return floor
        reason = blocker(unsettled.CODE, "; ".join(unsettled.reasons(intent, why)), Lifts.TIME, now + AGAIN)
        decided = Decided(now, intent.digest, Route.WAIT, (reason,), scene.policy.name)
        return await self.record(floor, decided, told=notice(floor, "FloorWaits", reason.message, warning=True))

    async def _claim(self, floor: Floor, intent: Intent, world: World) -> Floor:
        return await self.record(
            floor, Claimed(self.rooms.clock.now(), intent.key, self.epoch(), world.resource_version)
        )

    def _fresh(self, world: World) -> bool:
        return self.rooms.clock.now() - world.read_at <= FRESH

    async def _not_in(self, floor: Floor, intent: Intent, result: answers.ApplyResult, scene: Scene) -> Floor:
        """The write did not go through, or nobody knows."""
        match result:
            case answers.Gone(message):
                return await self._gone(floor, intent, message)
            case answers.Refused(code, message):
                return await self._give_up(floor, intent, code, message)
            case answers.Unknown(message):
                return await self._waits(floor, scene, f"whether it was written is not known: {message}")
            case _:
                return floor

    async def _held(self, floor: Floor, intent: Intent, plan: Plan, version: str, *, by_reading: bool) -> Floor:
        """The number stands: what it was and whose is read off the step itself."""
        now, proposed = self.rooms.clock.now(), floor.proposal
        marks = {hold.pointer: str(hold.value) for step in plan.steps for hold in step.holds}
        held = FloorHeld(
            now,
            floor.workload,
            plan.workload,
            plan.uid,
            proposed.policy if proposed is not None else "",
            int(marks[marked(FLOOR)]),
            int(marks[marked(WAS)]),
            marks[marked(OWNER)],
        )
        applied = Applied(now, intent.key, version, "reading" if by_reading else "answer")
        taking = proposed is not None and proposed.takes
        note = f"minReplicas is held at {held.replicas} ({held.was} before) for {held.policy}"
        told = notice(replace(floor, held=held), "FloorTaken" if taking else "FloorMoved", note, warning=False)
        return await self.record(floor, applied, held, told=told)

    async def _ended(self, floor: Floor, intent: Intent, owners: tuple[str, ...], scene: Scene) -> Floor:
        now, by = self.rooms.clock.now(), ", ".join(owners)
        lost = NotApplied(now, intent.key, "owned", f"the field belongs to {by}")
        return await self.record(floor, lost, ended(floor, now, scene.policy, "TakenBack", by), release=(intent.key,))

    async def _released(self, floor: Floor, intent: Intent, world: World, version: str) -> Floor:
        now, least = self.rooms.clock.now(), least_of(world.object)
        reason = str(intent.before.get("reason", ""))
        released = FloorReleased(now, floor.workload, intent.by or "NotAsked", reason, least)
        told = notice(floor, "FloorReleased", f"minReplicas is {least} and yours again: {reason}", warning=False)
        return await self.record(floor, Applied(now, intent.key, version), released, told=told)

    async def _gone(self, floor: Floor, intent: Intent, message: str) -> Floor:
        now = self.rooms.clock.now()
        lost = NotApplied(now, intent.key, "gone", message)
        over = FloorReleased(now, floor.workload, "Gone", "the autoscaler is gone")
        return await self.record(floor, lost, over, release=(intent.key,))

    async def _give_up(self, floor: Floor, intent: Intent, code: str, message: str) -> Floor:
        now = self.rooms.clock.now()
        failed = NotApplied(now, intent.key, code, message)
        told = notice(floor, "FloorFailed", f"{code}: {message}", warning=True)
        return await self.record(floor, failed, release=(intent.key,), told=told)

    async def decide_again(self, proposal: Proposal, world: World, scene: Scene, *, own: bool = False) -> Decision:
        """The gate's answer on this live reading. `own`: what the proposal costs is reserved already."""
        now = self.rooms.clock.now()
        facts = await self.gather(proposal, world, scene)
        used = await spent(self.rooms, proposal, scene.policy, now)
        if own:
            mine = {charge.scope: charge.units for charge in proposal.charges(scene.policy.budgets)}
            used = Spent({scope: max(0.0, units - mine.get(scope, 0.0)) for scope, units in used.by_scope.items()})
        return decide(proposal, facts, scene.policy, used, None, now)

    async def gather(self, proposal: Proposal, world: World, scene: Scene) -> Facts:
        """Every fact about holding this floor now. Other incidents of the namespace are none: capacity ahead of load
        mends no symptom and hides none.
        """
        rooms, now, namespace = self.rooms, self.rooms.clock.now(), world.workload.namespace
        pause = await read_pause(rooms, namespace)
        place = scene.workload or world
        freeze = await read_freeze(rooms, world.workload, place, now)
        protected = rooms.protected()
        findings = inspect(proposal.plan, world, REMEDY, scene.policy.floor_share, protected) if protected else ()
        if protected and scene.workload is not None:
            # Who opts the workload out, or says that it is never touched, means its autoscaler too.
            findings += (*opted_out(proposal.plan, scene.workload), *protected_target(scene.workload, protected))
        return Facts(
            data=scene.data,
            findings=UNKNOWN if protected is None else findings,
            drift="; ".join(changes_since(proposal.plan, world)) or None,
            cleared=False,
            touched=None,
            pause=pause,
            freeze=freeze,
            permitted=await read_rights(rooms, REMEDY, world.workload),
            other_critical=None,
            observer_suspect=rooms.sight.observer_suspect(),
            fruitless=0,
            backoff_until=None,
            harmed_before=None,
            rejected_before=None,
            store_trusted=rooms.store_trusted(),
        )


BOUNDED = Confidence(1.0, 1.0, 0, 0, 1.0, 1.0)
"""A floor's licence is its bounds, not a record of successes: nobody reads this."""


def proposal_of(proposed: FloorProposed | None, policy: Policy) -> Proposal | None:
    """What the gate is asked about, with what it costs; None when nothing is to be written."""
    if proposed is None or proposed.plan is None:
        return None
    before = next((read.value for read in proposed.plan.reads if read.pointer == LEAST and read.present), proposed.was)
    more = proposed.replicas - (before if isinstance(before, int) else proposed.was)
    lasting = (proposed.until or proposed.at) - proposed.at
    costs = floor_charges(
        proposed.workload.namespace, policy.budgets, takes=proposed.takes, pod_hours=pod_hours(more, lasting)
    )
    return Proposal(
        "floor", "a minimum ahead of the load", 0, Licence.BOUNDED, proposed.plan, BOUNDED, proposed.reasons, costs
    )


def went_in(step: Step, world: World) -> bool:
    """Whether this very write is in, whatever the minimum is by now: its annotations came with it. Whoever wrote
    the minimum since then took it from us.
    """
    marks = [hold for hold in step.holds if hold.pointer != LEAST]
    return step.uid == world.uid and all(same_held(mark, held(world.object, mark.pointer)) for mark in marks)


def waiting(floor: Floor) -> str | None:
    """Why its open write is not settled, where that was told; None otherwise."""
    told = floor.decision.reasons if floor.intent is not None and floor.decision is not None else ()
    return next((reason.message for reason in told if reason.code == unsettled.CODE), None)


def target_of(floor: Floor) -> Workload | None:
    """The autoscaler that an open write is about."""
    proposed = floor.proposal
    if proposed is not None and proposed.plan is not None and floor.intent is not None and not floor.intent.undo:
        return proposed.autoscaler
    return floor.autoscaler


def ended(floor: Floor, now: datetime, policy: Policy, code: str, by: str) -> FloorEnded:
    """The event of a floor that somebody else has ended."""
    return FloorEnded(now, floor.workload, policy.name, code, by, floor.held.replicas if floor.held is not None else 0)


def notice(floor: Floor, reason: str, note: str, *, warning: bool) -> OutboxRow:
    """A Kubernetes Event about the autoscaler, told with what is committed."""
    about = floor.autoscaler or floor.workload
    body = {
        "apiVersion": about.api_version,
        "kind": about.kind,
        "namespace": about.namespace,
        "name": about.name,
        "reason": reason,
        "note": note,
        "warning": warning,
    }
    return OutboxRow("floor", f"{floor.stream}/{floor.number}/{reason}", body)
