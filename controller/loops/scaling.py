"""The scaling loop: hold a minimum of replicas ahead of the load, by the floor's manners.

Level, not edge: each round looks at every workload that an autoscaler scales, and at every floor that stands, and does
what the world asks for now (`core/manners.py` says what that is). Everything is an event first, so a crash anywhere is
continued by the next round. Acts only through `decide()` and the holder. Without consent it says what it would hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import structlog

from controller.core.bearing import Look, Seen, judged, seen
from controller.core.decide import Auto, Decision
from controller.core.events import Decided, FloorHeld, FloorProposed, FloorReleased
from controller.core.floor import Floor, Raised
from controller.core.manners import Adopt, Asked, Course, End, Forget, GiveBack, Move, Rest, Would, course
from controller.core.said import Said, given_back, moved, number, why
from controller.core.sizing import NO_AUTOSCALER, Wanted
from controller.kinds import AUTOSCALERS, WORKLOADS
from controller.observe.cache import Cache, workload_of
from controller.observe.demand import Demanded
from controller.observe.facts import read_rights
from controller.observe.gauges import FLOOR_HELD, shown
from controller.observe.rooms import Rooms
from controller.runtime.holder import REMEDY, Holder, Scene, ended, notice, proposal_of, waiting
from detectors.series import HEALTHY, DataHealth, Problem, Workload
from remediations.cluster import Gone, Unreadable, World
from remediations.floor import FloorParameters, foreign_owners, least_of, mark_of, scaled_by
from remediations.plan import Plan, Refusal

log = structlog.get_logger(__name__)

LATELY = 3
"""Rounds after which numbers that did not come anew are old."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """The loop, with what it needs. `said` is what it last found, for statuses; `seen` the looks at raised floors."""

    rooms: Rooms
    cache: Cache
    holder: Holder
    said: dict[Workload, Said] = field(default_factory=dict)
    seen: dict[Workload, Seen] = field(default_factory=dict)

    async def round(self) -> None:
        """One pass over everything that has a floor, could have one, or carries the marks of one."""
        if not self.cache.shelf(AUTOSCALERS).synced or not all(self.cache.shelf(kind).synced for kind in WORKLOADS):
            return
        await self.rooms.journal.catch_up()
        workloads = self.workloads()
        for workload in workloads:
            trouble = await self.rooms.passes.over("scaling", workload, self.reconcile(workload))
            if trouble:
                floor = self.rooms.history.floor(workload)
                self.say(floor, Said(floor.held is not None, "NotLooked", trouble, number(floor)))
        for gone in self.said.keys() - workloads:
            del self.said[gone]
        shown(FLOOR_HELD, {workload: one.replicas for workload, one in self.said.items() if one.replicas is not None})

    def workloads(self) -> set[Workload]:
        """Those that are there, those that an autoscaler names, and those whose floor the log knows."""
        found = set(self.cache.workloads()) | {floor.workload for floor in self.rooms.history.floors.values()}
        for item in self.cache.shelf(AUTOSCALERS).objects.values():
            reference = item["spec"]["scaleTargetRef"]
            kind = next((kind for kind in WORKLOADS if kind.kind == reference["kind"]), None)
            if kind is not None:
                named = {"metadata": {"namespace": item["metadata"]["namespace"], "name": reference["name"]}}
                found.add(workload_of(kind, named))
        return found

    async def reconcile(self, workload: Workload) -> Floor:
        """One pass over one workload."""
        before = floor = self.rooms.history.floor(workload)
        if not floor.number and not self.cache.autoscalers(workload):
            return self.say(floor, Said(False, NO_AUTOSCALER.code, NO_AUTOSCALER.reason))
        scene = self.scene(workload)
        floor = await self.judge(floor, scene)
        if floor.intent is not None:
            floor = await self.holder.settle(floor, scene)
        if floor.intent is None:
            floor = await self.carry_out(self.course(floor, scene), floor, scene)
        else:
            told = waiting(floor) or "a write is not settled yet; it is looked after every round"
            self.say(floor, Said(floor.held is not None, "Writing", told, number(floor)))
        if floor.number != before.number:
            await self.rooms.journal.catch_up()
        return floor

    async def judge(self, floor: Floor, scene: Scene) -> Floor:
        """Look at what a raised floor bears; once its time is over, say what it was worth."""
        raised, workload, now = floor.raised, floor.workload, self.rooms.clock.now()
        if raised is None:
            self.seen.pop(workload, None)
            return floor
        look = self.look(raised, scene)
        found = seen(self.seen.get(workload), raised, look) if look is not None else self.seen.get(workload)
        if found is not None:
            self.seen[workload] = found
        return floor if now < raised.until else await self.holder.record(floor, judged(workload, raised, found, now))

    def look(self, raised: Raised, scene: Scene) -> Look | None:
        """Load and ready pods as of the newest numbers; None where they are in doubt."""
        demanded = self.demanded(scene.workload.workload) if scene.workload is not None else None
        if scene.workload is None or demanded is None or demanded.load is None or not demanded.health.healthy:
            return None
        per_pod = demanded.capacity.per_pod or raised.per_pod
        status: Mapping[str, Any] = scene.workload.object.get("status") or {}
        return Look(demanded.at, demanded.load, per_pod, int(status.get("readyReplicas") or 0)) if per_pod > 0 else None

    def scene(self, workload: Workload) -> Scene:
        """What is decided in."""
        policy = self.rooms.consents.of(workload, self.cache.labels(workload)).policy
        demanded = self.demanded(workload)
        data = demanded.health if demanded is not None else HEALTHY
        return Scene(policy, data, self.cache.world(workload, self.rooms.clock.now()))

    def demanded(self, workload: Workload) -> Demanded | None:
        """The numbers of the last round; in doubt when that was long ago, whatever they said then."""
        found = self.rooms.demand.of(workload) if self.rooms.demand is not None else None
        settings = self.rooms.settings
        lately = LATELY * settings.duration(max(settings.demand_seconds, settings.round_seconds))
        if found is None or self.rooms.clock.now() - found.at <= lately:
            return found
        return replace(
            found, health=found.health | DataHealth(frozenset({Problem.STALE}), "load was not asked for lately")
        )

    def asked(self, workload: Workload) -> Asked:
        """What the numbers ask for."""
        share = self.rooms.settings.floor_cap
        demanded = self.demanded(workload)
        if demanded is None:
            return Asked(share=share)
        return Asked(demanded.floor, "" if demanded.health.healthy else str(demanded.health), share)

    def course(self, floor: Floor, scene: Scene) -> Course:
        """What the watches say is to be done. They only notice: whatever changes anything reads live first."""
        return course(floor, scene.policy, self.cache.autoscalers(floor.workload), self.asked(floor.workload))

    async def carry_out(self, todo: Course, floor: Floor, scene: Scene) -> Floor:
        """One course, after a live look where it is more than a word."""
        if isinstance(todo, Rest | Would):
            return await self.act(todo, floor, scene, None)
        if floor.resting_until is not None and self.rooms.clock.now() < floor.resting_until:
            told = f"the last write failed; not again before {floor.resting_until:%H:%M} UTC"
            return self.say(floor, Said(floor.held is not None, "NotApplied", told, number(floor)))
        found = await self.live(todo.target, floor.workload)
        match found:
            case World():
                todo = course(floor, scene.policy, [found.object], self.asked(floor.workload))
                return await self.act(todo, floor, scene, found)
            case Gone() if isinstance(todo, Forget):
                return await self.act(todo, floor, scene, None)
            case _:
                return floor

    async def act(self, todo: Course, floor: Floor, scene: Scene, world: World | None) -> Floor:
        """Say, or do, what stands."""
        match todo:
            case Rest():
                return self.say(floor, Said(todo.holds, todo.reason, todo.message, number(floor)))
            case Would():
                floor = await self.would(floor, scene, todo)
                return self.say(floor, Said(False, "Observe", f"would hold {todo.replicas}", would=todo.replicas))
            case Forget():
                over = FloorReleased(self.rooms.clock.now(), floor.workload, todo.code, todo.reason)
                floor = await self.holder.record(floor, over)
                return self.say(floor, Said(False, todo.code, todo.reason))
            case _ if world is None:
                return floor
            case Adopt():
                return self.say(
                    await self.found(floor, world), Said(True, "Held", "found held", least_of(world.object))
                )
            case End():
                now = self.rooms.clock.now()
                floor = floor if floor.autoscaler is not None else await self.found(floor, world)
                told = notice(floor, f"Floor{todo.code}", f"taken back by {todo.by}", warning=True)
                floor = await self.holder.record(floor, ended(floor, now, scene.policy, todo.code, todo.by), told=told)
                return self.say(floor, Said(False, todo.code, f"taken back by {todo.by}"))
            case GiveBack():
                return await self.give_back(todo, floor, scene, world)
            case Move():
                return await self.move(todo, floor, scene, world)
            case _:
                assert_never(todo)

    async def live(self, target: Workload | None, workload: Workload) -> World | Gone | Unreadable:
        """The autoscaler as it is now. One that scales something else by now is gone for us."""
        if target is None:
            return Gone("no autoscaler is known")
        world = await self.rooms.cluster.read(target)
        if isinstance(world, World) and not scaled_by(world.object, workload):
            return Gone(f"{target.key} scales something else")
        return world

    async def give_back(self, todo: GiveBack, floor: Floor, scene: Scene, world: World) -> Floor:
        """Restore what is ours, where the right to do so is still there."""
        if await read_rights(self.rooms, REMEDY, world.workload) is not True:
            told = "no right to give the floor back here: `trimtab release --all`, as somebody who may"
            return self.say(floor, Said(floor.held is not None, "NotPermitted", told, number(floor)))
        floor = floor if floor.number else await self.found(floor, world)
        floor = await self.holder.release(floor, world.workload, todo.code, todo.reason, scene)
        return self.say(floor, given_back(floor, todo))

    async def move(self, todo: Move, floor: Floor, scene: Scene, world: World) -> Floor:
        """Propose the number, ask the gate, and hold it when the gate says so."""
        parameters = FloorParameters(
            min_replicas=todo.replicas,
            for_whom=scene.policy.name,
            force=todo.takes,
            share=self.rooms.settings.floor_cap,
        )
        plan = REMEDY.plan(world.workload, world, parameters, self.rooms.clock.now())
        if isinstance(plan, Refusal):
            return self.say(floor, Said(floor.held is not None, "Refused", plan.message, number(floor)))
        if floor.proposal is None or floor.proposal.plan is None or floor.proposal.plan.digest != plan.digest:
            floor = await self.holder.record(floor, self.proposed(todo, floor.workload, scene, plan))
        proposal = proposal_of(floor.proposal, scene.policy)
        if proposal is None:
            return floor
        decision = await self.holder.decide_again(proposal, world, scene)
        floor = await self.decided(floor, decision, plan, scene)
        if isinstance(decision, Auto):
            floor = await self.holder.hold(floor, scene)
        return self.say(floor, moved(floor, todo))

    def proposed(self, todo: Move | Would, workload: Workload, scene: Scene, plan: Plan | None) -> FloorProposed:
        """The event of a number, with where it comes from."""
        wanted = self.asked(workload).floor
        event = FloorProposed(
            self.rooms.clock.now(),
            workload,
            todo.target,
            scene.policy.name,
            todo.replicas,
            todo.was,
            isinstance(todo, Move) and todo.takes,
            plan=plan,
        )
        if not isinstance(wanted, Wanted):
            return event
        return replace(event, peak=wanted.peak, per_pod=wanted.per_pod, until=wanted.until, reasons=wanted.reasons)

    async def decided(self, floor: Floor, decision: Decision, plan: Plan, scene: Scene) -> Floor:
        """Record the gate's answer when it says something new; whoever does not get the field is told."""
        codes = tuple(reason.code for reason in decision.reasons)
        before = floor.decision
        same = before is not None and (before.digest, before.route) == (plan.digest, decision.route)
        if same and before is not None and tuple(reason.code for reason in before.reasons) == codes:
            return floor
        now = self.rooms.clock.now()
        event = Decided(now, plan.digest, decision.route, decision.reasons, scene.policy.name)
        told = None if isinstance(decision, Auto) else notice(floor, "FloorWaits", why(event), warning=True)
        return await self.holder.record(floor, event, told=told)

    async def would(self, floor: Floor, scene: Scene, todo: Would) -> Floor:
        """Say in the log what would be held, when that is another number than before."""
        before = floor.proposal
        if before is not None and before.plan is None and (before.replicas, before.was) == (todo.replicas, todo.was):
            return floor
        if before is None and todo.replicas <= todo.was:
            return floor
        return await self.holder.record(floor, self.proposed(todo, floor.workload, scene, None))

    async def found(self, floor: Floor, world: World) -> Floor:
        """A floor of ours that the log does not know: from now on it does."""
        mark, now, obj = mark_of(world.object), self.rooms.clock.now(), world.object
        least = least_of(obj)
        replicas, was, whom = (mark.floor, mark.was, mark.for_whom) if mark is not None else (least, least, "")
        owner = mark.owner if mark is not None else ", ".join(foreign_owners(obj))
        held = FloorHeld(now, floor.workload, world.workload, world.uid, whom, replicas, was, owner, found=True)
        return await self.holder.record(floor, held)

    def say(self, floor: Floor, said: Said) -> Floor:
        """Keep for the statuses what was found."""
        self.said[floor.workload] = said
        return floor
