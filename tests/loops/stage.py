"""A whole replica over memory adapters, in virtual time: what the loop sees, decides and writes.

`Stage` is the shipped `Program` with every port in memory, driven by hand: `tick` lets the watches catch up, asks the
metrics, reconciles every workload and publishes. Nothing of the program is replaced. Effects are judged by what
`MemoryCluster` let through, never by what the program says of itself. A crash is `crashed()`: another replica over the
same store and cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from controller.adapters.memory.access import Grant, MemoryAccess
from controller.adapters.memory.chat import MemoryChat
from controller.adapters.memory.clock import VirtualClock
from controller.adapters.memory.leases import MemoryLease, MemoryLeases
from controller.adapters.memory.metrics import MemoryMetrics
from controller.adapters.memory.notify import MemoryNotify
from controller.adapters.memory.resources import MemoryResources
from controller.adapters.memory.store import MemoryStore
from controller.adapters.memory.watch import MemoryWatch
from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE, PLANNED_EVENT, REMEDIATION, RUNBOOK, SERVICE_POLICY
from controller.core.alerts import ALERTS_QUERY
from controller.core.events import Event, Opened
from controller.core.incident import Incident
from controller.core.presets import PRESETS
from controller.core.reading import Trust
from controller.kinds import DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS, WORKLOADS
from controller.lab.apiserver import MemoryObjects
from controller.loops.incidents import Incidents
from controller.observe.fleet import Grid
from controller.ports import Commit, Listed, Metrics, Person
from controller.program import Parts, Program
from controller.runtime.executor import Executor
from controller.settings import Settings
from detectors.series import Workload
from remediations.cluster import ApplyResult, Conflict, World
from remediations.memory import Effect, MemoryCluster, deployment
from remediations.plan import Outcome, PatchOp, Step
from remediations.pods import ready
from tests.core import samples

BEGIN = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
IMAGE = "/spec/template/spec/containers/0/image"
SCRAPE = timedelta(seconds=30)
MARA, NOOR, EVE = Person("mara"), Person("noor"), Person("eve")

E = TypeVar("E")


class Contended(MemoryCluster):
    """A cluster in which others write statuses all the time: the next `contended` writes are too late."""

    contended = 0

    async def apply(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        if self.contended and not dry_run:
            self.contended -= 1
            return Conflict("somebody wrote the status in between")
        return await super().apply(step, resource_version, dry_run=dry_run)


class Stage:
    """One replica, its world and its clock."""

    def __init__(
        self,
        *,
        mode: str = "Auto",
        automatic: int | str = 90,
        metrics: bool = True,
        settings: Mapping[str, Any] | None = None,
        services: int = 1,
        replicas: int = 4,
        other: Metrics | None = None,
        settling: bool = True,
    ) -> None:
        self.clock = VirtualClock(BEGIN)
        self.cluster = Contended(self.clock.now, settling=settling)
        self.objects, self.store, self.access = MemoryObjects(), MemoryStore(), MemoryAccess()
        self.resources = MemoryResources(self.objects, self.clock.now)
        self.chat, self.pager, self.lease = MemoryChat(), MemoryNotify(), MemoryLease()
        self.prometheus = MemoryMetrics(self.clock.now, Trust(scrape_interval=SCRAPE))
        self.metrics: Metrics | None = other or (self.prometheus if metrics else None)
        self.extra_errors: dict[str, float] = {}
        self.alerts: list[dict[str, str]] = []
        said: dict[str, Any] = {
            "act_namespaces": ["shop"],
            "people": {"approvers": ["user:mara", "user:noor"], "slack": {"U1": "mara", "U2": "noor", "U3": "eve"}},
            "policy_defaults": {"mode": "Observe"},
            "slack_channel": "#ops",
            "workers": 0,
            "baseline_seconds": 7200,
            **(settings or {}),
        }
        self.settings = Settings(**said)
        self.objects.add(NAMESPACES, {"metadata": {"name": "shop"}})
        for who in ("mara", "noor"):
            self.access.grant(Grant(who, "approve", "trimtab.dev", REMEDIATION.plural))
            self.access.grant(Grant(who, "create", "trimtab.dev", AUTOMATION_PAUSE.plural))
        for kind in WORKLOADS:
            self.access.grant(Grant("", "patch", "apps", kind.plural, "shop"))
        for plural in ("deployments", "replicasets"):
            for verb in ("get", "list", "patch"):
                self.access.grant(Grant("", verb, "apps", plural, "shop"))
        self.workloads = [
            self.cluster.create(deployment("shop", name, "registry.test/shop:v41", replicas, memory="256Mi"))
            for name in ("checkout", *(f"service-{n}" for n in range(1, services)))
        ]
        self.checkout = self.workloads[0]
        self.missing: dict[Workload, float] = {}
        self.measure()
        self.program_metrics()
        if mode:
            self.policy("checkout", mode, automatic)
        self.start()

    # the world

    def program_metrics(self) -> None:
        """Load and errors computed from the pods as they are."""
        settings = self.settings
        scrape = timedelta(seconds=settings.scrape_interval)
        grid = Grid.over(timedelta(seconds=settings.baseline_seconds), scrape)
        istio = PRESETS["istio"]
        self.prometheus.program(istio.load(grid.window), lambda at: [(self.named(w), 200.0) for w in self.there()])
        self.prometheus.program(
            istio.failures(grid.window), lambda at: [(self.named(w), 200.0 * self.share(w, at)) for w in self.there()]
        )
        self.prometheus.program(
            ALERTS_QUERY, lambda at: [({"trimtab": "asked"}, 0.0), *((a, 1.0) for a in self.alerts)]
        )

    def there(self) -> list[Workload]:
        return list(self.missing)

    def measure(self) -> None:
        """What the metrics are computed from: the share of wanted pods that are not ready, now."""
        worlds = [world for w in self.workloads if isinstance(world := self.cluster.look(w), World)]
        self.missing = {
            world.workload: max(0.0, 1 - sum(map(ready, world.pods)) / max(1, int(world.object["spec"]["replicas"])))
            for world in worlds
        }

    def named(self, workload: Workload) -> dict[str, str]:
        return {"destination_workload_namespace": workload.namespace, "destination_workload": workload.name}

    def share(self, workload: Workload, at: datetime) -> float:
        """A little always; a third of what its missing pods would have served; nothing but calm in the past."""
        wobble = 0.002 * (1 + 0.3 * ((at.timestamp() * 7919) % 97) / 97)
        if at < self.clock.now() - MINUTE:
            return wobble
        return min(1.0, wobble + self.missing[workload] / 3 + self.extra_errors.get(workload.name, 0.0))

    def policy(self, name: str, mode: str, automatic: int | str = 90, **target: Any) -> None:
        """A ServicePolicy for one workload, or by labels."""
        spec = {
            "target": {"kind": "Deployment", **(target or {"name": name})},
            "metrics": {"preset": "istio"},
            "remediation": {"mode": mode, "automaticAbove": automatic, "reviewAbove": 70},
        }
        stamped = {"name": name, "namespace": "shop", "creationTimestamp": self.clock.now().isoformat()}
        self.objects.add(SERVICE_POLICY, {"metadata": stamped, "spec": spec})

    def roll(self, image: str = "registry.test/shop:v42-crash", workload: Workload | None = None) -> None:
        """Somebody rolls a new version out."""
        self.cluster.change(workload or self.checkout, PatchOp("replace", IMAGE, image))

    def image(self, workload: Workload | None = None) -> str:
        world = self.cluster.look(workload or self.checkout)
        assert isinstance(world, World)
        return str(world.object["spec"]["template"]["spec"]["containers"][0]["image"])

    def pause(self, reason: str = "maintenance", namespaces: Iterable[str] = ()) -> None:
        spec = {"reason": reason, "namespaces": list(namespaces)}
        self.objects.add(AUTOMATION_PAUSE, {"metadata": {"name": "stop"}, "spec": spec})

    def resume(self) -> None:
        self.objects.remove(AUTOMATION_PAUSE, None, "stop")

    def freeze(self, begin: datetime, end: datetime) -> None:
        spec = {
            "from": begin.strftime("%Y-%m-%dT%H:%M:%S"),
            "until": end.strftime("%Y-%m-%dT%H:%M:%S"),
            "timeZone": "UTC",
            "services": {"all": True},
            "freeze": {},
        }
        self.objects.add(PLANNED_EVENT, {"metadata": {"name": "black-friday", "namespace": "shop"}, "spec": spec})

    # the replica

    def start(self) -> None:
        """A replica as after a start: it knows nothing but the store and the cluster."""
        parts = Parts(
            store=self.store,
            clock=self.clock,
            cluster=self.cluster,
            watch=MemoryWatch(self.objects),
            leases=self.leases,
            resources=self.resources,
            access=self.access,
            metrics=self.metrics,
            chat=self.chat,
            notifiers=(self.pager,),
        )
        self.program = Program(self.settings, parts)
        self.executor = Executor(self.program.rooms, lambda: self.program.leadership.epoch or -1)
        self.loop = Incidents(self.program.rooms, self.executor)

    async def leases(self) -> MemoryLeases:
        return MemoryLeases(self.lease)

    async def lead(self) -> None:
        """Take the epoch and read the log, as the program does when the lease is its own."""
        await self.program.leadership.take({})
        await self.program.journal.catch_up()
        await self.program.surroundings.refresh()
        await self.chat.start(self.program.clicked)

    async def crashed(self) -> None:
        """This replica is gone; another one over the same store and cluster leads."""
        self.close()
        self.start()
        await self.lead()

    def close(self) -> None:
        self.program.workers.close()

    async def __aenter__(self) -> Stage:
        await self.lead()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    # time

    def watch(self) -> None:
        """The watches have caught up."""
        worlds = [world for w in self.workloads if isinstance(world := self.cluster.look(w), World)]
        seen: dict[Any, list[Mapping[str, Any]]] = {kind: [] for kind in (*WORKLOADS, REPLICA_SETS, PODS)}
        for world in worlds:
            seen[DEPLOYMENTS].append(world.object)
            seen[REPLICA_SETS] += world.replica_sets
            seen[PODS] += world.pods
        for kind, objects in seen.items():
            self.program.cache.take(kind, None, Listed(tuple(objects)))
        for kind in (SERVICE_POLICY, PLANNED_EVENT, REMEDIATION, RUNBOOK):
            self.program.cache.take(kind, None, Listed(self.objects.all(kind)))

    async def tick(self, pause: timedelta = timedelta(seconds=5)) -> None:
        """Time passes, the cluster works, everything is looked at once and told."""
        await self.clock.advance(pause)
        self.work()
        self.watch()
        self.measure()
        await self.program.sight.round(self.clock.now())
        await self.program.rollouts.round()
        for workload in (*self.program.cache.workloads(), *self.outlived()):
            await self.loop.reconcile(workload)
        await self.program.publisher.deliver()
        self.watch()

    def work(self) -> None:
        """The cluster does what it has to, to the end."""
        self.cluster.settle()

    def outlived(self) -> list[Workload]:
        """Workloads that are gone and have an open incident."""
        there = set(self.program.cache.workloads())
        return [w for w in self.workloads if w not in there and w.key in self.program.history.open]

    async def run(self, lasting: timedelta, pause: timedelta = timedelta(seconds=15)) -> None:
        for _ in range(round(lasting / pause)):
            await self.tick(pause)

    async def calm(self) -> None:
        """Quiet long enough for the version to be known healthy."""
        await self.clock.advance(timedelta(minutes=11))
        await self.tick()
        await self.clock.advance(timedelta(minutes=35))
        await self.tick()

    async def out_of_memory(self) -> None:
        """A version that needs more memory than its limit has run for long; now its pods are killed again and again."""
        self.roll("registry.test/shop:v41-oom-300Mi")
        self.scale(0)
        await self.clock.advance(45 * MINUTE)
        self.scale(4)

    def scale(self, replicas: int) -> None:
        self.cluster.change(self.checkout, PatchOp("replace", "/spec/replicas", replicas))

    def memory(self) -> str:
        world = self.cluster.look(self.checkout)
        assert isinstance(world, World)
        return str(world.object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"])

    async def learned(self, good: int, bad: int = 0) -> None:
        """So many verified outcomes of the rollback, one each day, on this workload."""
        for number in range(good + bad):
            outcome = Outcome.EFFECTIVE if number >= bad else Outcome.INEFFECTIVE
            tale = samples.asked().answered().applied().verified(outcome).closed()
            back = BEGIN - samples.DAY - (good + bad + 1 - number) * timedelta(days=2)
            events: list[Event] = [replace(event, at=event.at + back) for event in tale.events]
            first = events[0]
            assert isinstance(first, Opened)
            name = f"INC-{10_000 + number}"
            events[0] = replace(first, incident=name)
            await self.store.commit(Commit(f"incident:{name}", 0, tuple(events)), self.clock.now())
        await self.program.journal.catch_up()

    # what came of it

    @property
    def effects(self) -> tuple[Effect, ...]:
        return self.cluster.effects

    async def events(self, kind: type[E]) -> list[E]:
        return [event for event in await self.story() if isinstance(event, kind)]

    async def story(self, incident: str = "") -> list[Event]:
        prefix = f"incident:{incident}"
        rows = await self.store.follow(0, 100_000)
        return [r.event for r in rows if r.stream.startswith(prefix) and not r.stream.startswith("incident:INC-100")]

    async def incident(self, number: int = 1) -> Incident:
        found = await self.program.journal.load(f"INC-{number}")
        assert found is not None
        return found

    async def told(self) -> list[str]:
        """The story in kinds, for a failure's sake."""
        return [event.kind for event in await self.story()]

    async def click(self, action: str, user: str = "U1", reason: str = "") -> str | None:
        """Somebody presses a button of the newest message."""
        return await self.chat.click(self.chat.shown[-1].posted, action, user, reason)
