"""A stage on which floors are held: autoscalers in the cluster in memory, and numbers that the test says.

The numbers stand in for the forecast (`Demand.of`), which has tests of its own; everything from there on is the
program's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self, cast

from controller.adapters.memory.access import Grant
from controller.adapters.memory.store import MemoryStore
from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.core.events import Claimed, Event
from controller.core.floor import Floor
from controller.core.said import Said
from controller.core.sizing import CannotSize, Capacity, Wanted
from controller.kinds import AUTOSCALERS, EVENTS
from controller.loops.scaling import Scaling
from controller.observe.demand import Demand, Demanded
from controller.ports import Commit, CommitResult, Listed
from controller.runtime.holder import Holder
from controller.runtime.standing import Statuses
from detectors.forecast.leadtime import LeadTime
from detectors.results import Abstention
from detectors.series import HEALTHY, DataHealth, Problem, Workload
from remediations.cluster import World
from remediations.floor import LEAST, address
from remediations.memory import autoscaler
from remediations.plan import PatchOp
from tests.loops.stage import Stage

STALE = DataHealth(frozenset({Problem.STALE}), "the newest sample is old")


@dataclass
class Numbers:
    """What would be forecast: a number a workload, whether its data are healthy."""

    wanted: dict[Workload, int | CannotSize] = field(default_factory=dict)
    health: dict[Workload, DataHealth] = field(default_factory=dict)
    lasting: timedelta = timedelta(minutes=30)
    now: Callable[[], datetime] = datetime.now
    made_at: datetime | None = None

    def of(self, workload: Workload) -> Demanded | None:
        said = self.wanted.get(workload)
        if said is None:
            return None
        floor: Wanted | CannotSize = said if isinstance(said, CannotSize) else self.number(said)
        health = self.health.get(workload, HEALTHY)
        lead = LeadTime(timedelta(seconds=60), 0.9, timedelta(seconds=60), 0)
        return Demanded(
            self.made_at or self.now(), 100.0, "1/s", health, Abstention("not asked"), floor, lead, Capacity()
        )

    def number(self, replicas: int) -> Wanted:
        until = self.now() + self.lasting
        return Wanted(replicas, 70.0 * replicas, 70.0, timedelta(seconds=60), 0.95, until, 8, capped=False)


class FloorStage(Stage):
    """A stage with an autoscaler (2 to 10) on each service, and a policy in some scaling mode."""

    def __init__(
        self, *, scaling: str = "Floor", least: int = 2, most: int = 10, right: bool = True, **more: Any
    ) -> None:
        self.numbers = Numbers()
        self.scaling_mode, self.generation = scaling, 1
        super().__init__(**more)
        if right:
            for verb in ("get", "patch"):
                self.access.grant(Grant("", verb, "autoscaling", "horizontalpodautoscalers", "shop"))
        self.hpas = {
            workload: self.cluster.create(autoscaler("shop", workload.name, least, most)) for workload in self.workloads
        }
        self.hpa = self.hpas[self.checkout]
        self.others: list[Workload] = []

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    def policy(self, name: str, mode: str, automatic: int | str = 90, **target: Any) -> None:
        super().policy(name, mode, automatic, **target)
        self.scale_by(self.scaling_mode, name)

    def scale_by(self, mode: str, name: str = "checkout") -> None:
        """Somebody edits the policy; its generation moves with the spec."""
        self.objects.merge(SERVICE_POLICY, "shop", name, {"spec": {"scaling": {"mode": mode}}})

    def touch_policy(self, name: str = "checkout") -> None:
        """Somebody edits something else of it."""
        self.generation += 1
        self.objects.merge(
            SERVICE_POLICY, "shop", name, {"spec": {"anomalies": {"falseAlarmsPerWeek": self.generation}}}
        )

    def policy_generation(self, name: str = "checkout") -> int:
        """Of the policy as it stands."""
        found = self.objects.get(SERVICE_POLICY, "shop", name)
        assert found is not None
        return int(found["metadata"]["generation"])

    def unpolicy(self, name: str = "checkout") -> None:
        """Somebody deletes the policy."""
        self.objects.remove(SERVICE_POLICY, "shop", name)

    def break_policy(self, name: str = "checkout") -> None:
        """Somebody stores a policy that cannot be read."""
        self.objects.merge(SERVICE_POLICY, "shop", name, {"spec": {"remediation": {"mode": "Sometimes"}}})

    def lose_store(self) -> None:
        """The next replica starts with an empty one."""
        self.store = MemoryStore()

    def before_writes(self, intrude: Callable[[], None]) -> None:
        """Somebody does this once, after our last look and just before our next write."""
        before, waiting = self.store.commit, [intrude]

        async def committed(commit: Commit, now: datetime) -> CommitResult:
            result = await before(commit, now)
            if waiting and any(isinstance(event, Claimed) for event in commit.events):
                waiting.pop()()
            return result

        self.store.commit = committed  # type: ignore[method-assign]  # the one place to stand between claim and write

    def start(self) -> None:
        super().start()
        self.numbers.now = self.clock.now
        rooms = replace(self.program.rooms, demand=cast("Demand", self.numbers))
        holder = Holder(rooms, lambda: self.program.leadership.epoch or -1)
        self.scaling = Scaling(rooms, self.program.cache, holder)
        self.statuses = Statuses(rooms, self.program.cache, self.scaling.said)

    def watch(self) -> None:
        super().watch()
        known = [*getattr(self, "hpas", {}).values(), *getattr(self, "others", ())]
        worlds = [self.cluster.look(hpa) for hpa in known]
        objects = tuple(world.object for world in worlds if isinstance(world, World))
        self.program.cache.take(AUTOSCALERS, None, Listed(objects))

    async def tick(self, pause: timedelta = timedelta(seconds=15)) -> None:
        await super().tick(pause)
        await self.scaling.round()
        await self.statuses.round()
        await self.program.publisher.deliver()
        self.watch()

    async def needs(self, replicas: int, workload: Workload | None = None) -> None:
        """From now on so many pods are needed; looked at once."""
        self.numbers.wanted[workload or self.checkout] = replicas
        await self.tick()

    # what came of it

    def object(self, workload: Workload | None = None) -> Mapping[str, Any]:
        world = self.cluster.look(self.hpas[workload or self.checkout])
        assert isinstance(world, World)
        return world.object

    def least(self, workload: Workload | None = None) -> int:
        return int(self.object(workload)["spec"]["minReplicas"])

    def said(self, workload: Workload | None = None) -> Said:
        return self.scaling.said[workload or self.checkout]

    def floor(self, workload: Workload | None = None) -> Floor:
        return self.program.history.floor(workload or self.checkout)

    def take_back(self, replicas: int, manager: str = "helm") -> None:
        """Somebody writes the field plainly."""
        self.cluster.change(self.hpa, PatchOp("replace", LEAST, replicas), manager=manager)

    def recreate(self, least: int = 2) -> None:
        """Somebody deletes the autoscaler and makes it anew."""
        self.cluster.delete(self.hpa)
        assert self.cluster.create(autoscaler("shop", self.checkout.name, least, 10)) == address(
            autoscaler("shop", self.checkout.name)
        )

    async def floor_story(self, workload: Workload | None = None) -> list[Event]:
        return [stored.event for stored in await self.store.read(f"floor:{(workload or self.checkout).key}")]

    async def floor_kinds(self) -> list[str]:
        """The story of the floor in kinds."""
        return [event.kind for event in await self.floor_story()]

    def status(self, name: str = "checkout") -> Mapping[str, Any]:
        found = self.objects.get(SERVICE_POLICY, "shop", name)
        assert found is not None
        status: Mapping[str, Any] = found["status"]
        return status

    def held_condition(self, name: str = "checkout") -> tuple[str, str]:
        """Status and reason of `FloorHeld`."""
        found = next(c for c in self.status(name)["conditions"] if c["type"] == "FloorHeld")
        return found["status"], found["reason"]

    async def spent(self, scope: str) -> float:
        """Units reserved in a scope within the last day."""
        return (await self.store.spent([(scope, timedelta(hours=24))], self.clock.now()))[scope]

    def events_told(self) -> list[str]:
        """Reasons of the Kubernetes Events about autoscalers."""
        events = self.objects.all(EVENTS)
        return [str(event["reason"]) for event in events if event["regarding"]["kind"] == AUTOSCALERS.kind]
