"""Two replicas in one process over one world in memory and one PostgreSQL store: interleavings to the letter.

`Seats` is a `tests.loops.stage.Stage` whose store is real, and whose first replica writes over a `Line`: it can stop
before or after a write, or lose one and deliver it late. A second replica takes over with `succeed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from controller.core import events
from controller.core.events import Answered, Claimed, Intended, Verdict, Via
from controller.ports import Commit, CommitResult, Store
from detectors.series import Workload
from remediations.cluster import Applied, ApplyResult, Gone, Unknown, Unreadable, World
from remediations.memory import MemoryCluster
from remediations.plan import PatchOp, Step
from tests.loops.stage import HOUR, MARA, MINUTE, Stage

SETTLING = (events.Applied, events.NotApplied, events.Superseded)


@dataclass
class Gate:
    """A place where one replica waits: `reached` once it stands there, goes on when `opened`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def passed(self) -> None:
        """Stand here until opened."""
        self.reached.set()
        await self.opened.wait()


@dataclass
class Line:
    """A replica's way to the cluster. `lose` makes writes vanish until `deliver`, `intrude` lets somebody else write
    just before, `flap` moves the status, `fencing=False` leaves the fence out.
    """

    cluster: MemoryCluster
    before: Gate | None = None
    after: Gate | None = None
    lose: bool = False
    intrude: int = 0
    flap: int = 0
    fencing: bool = True
    lost: list[tuple[Step, str]] = field(default_factory=list)

    async def read(self, workload: Workload) -> World | Gone | Unreadable:
        """Live."""
        return await self.cluster.read(workload)

    async def apply(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """Through the gates."""
        if self.before is not None:
            await self.before.passed()
        if self.intrude:
            self.intrude -= 1
            mark = PatchOp("add", "/metadata/labels/touched", f"{self.intrude} left")
            self.cluster.change(step.workload, mark)
        if self.flap:
            self.flap -= 1
            self.cluster.change(step.workload, PatchOp("add", "/status/collisionCount", self.flap))
        if self.lose:
            self.lost.append((step, resource_version))
            return Unknown("no answer: it may still be on its way")
        result = await self.cluster.apply(step, resource_version, dry_run=dry_run)
        if self.after is not None:
            await self.after.passed()
        return result

    async def fence(self, workload: Workload, uid: str, epoch: int) -> ApplyResult:
        """At once, or only said to be."""
        if not self.fencing:
            return Applied("")
        return await self.cluster.fence(workload, uid, epoch)

    async def deliver(self) -> list[ApplyResult]:
        """What was lost arrives now, late."""
        late, self.lost = self.lost, []
        return [await self.cluster.apply(step, version) for step, version in late]


class Guarded:
    """A store whose commits of one kind of event stand before a gate."""

    def __init__(self, store: Store, kind: type[Any], gate: Gate) -> None:
        self._store, self._kind, self._gate = store, kind, gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, commit: Commit, now: Any) -> CommitResult:
        """Through the gate."""
        if any(isinstance(event, self._kind) for event in commit.events):
            await self._gate.passed()
        return await self._store.commit(commit, now)


class Seats(Stage):
    """A stage over a real store, with a first replica whose writes can be played with."""

    def __init__(self, store: Store, *, guarded: tuple[type[Any], Gate] | None = None) -> None:
        super().__init__()
        self.close()
        self.line = Line(self.cluster)
        self._sit(store if guarded is None else Guarded(store, *guarded), self.line)
        self._real = store

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    def _sit(self, store: Any, cluster: Any) -> None:
        """Start a replica on these, which the stage does not keep."""
        kept = self.cluster
        self.store, self.cluster = store, cluster
        self.start()
        self.cluster = kept

    async def approved(self) -> None:
        """A crash loop, asked about and approved; the next look would act."""
        await self.calm()
        self.roll()
        await self.run(MINUTE)
        incident = await self.incident()
        assert incident.question is not None
        now, digest = self.clock.now(), incident.question.digest
        reply = await self.program.door.answer(incident.id, digest, Verdict.APPROVE, MARA, Via.SLACK, now)
        assert reply.counted
        assert len(await self.events(Answered)) == 1
        assert not await self.events(Intended)

    async def acting(self, gate: Gate) -> asyncio.Task[Any]:
        """This replica looks once more, and acts until it stands before the gate."""
        self.watch()
        await self.program.sight.round(self.clock.now())
        task = asyncio.create_task(until_quiet(self.loop.reconcile, self.checkout))
        reached = asyncio.create_task(gate.reached.wait())
        await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        assert gate.reached.is_set(), task
        reached.cancel()
        return task

    async def succeed(self, *, fencing: bool = True) -> None:
        """Another replica leads from now on; the first is not told."""
        self._sit(self._real, Line(self.cluster, fencing=fencing))
        await self.lead()

    async def outcomes(self) -> list[str]:
        """How each intent was settled, in order; an open one is `open`."""
        story = await self.story()
        keys = [event.key for event in story if isinstance(event, Intended)]
        settled = [event.kind for event in story if isinstance(event, SETTLING) and event.key]
        return settled + ["open"] * (len(keys) - len(settled))

    async def budgets(self) -> int:
        """Actions charged to the namespace; without any, nothing may hold the workload either."""
        charged = await self._units(f"actions:namespace:{self.checkout.namespace}")
        held = await self._units(f"open:{self.checkout.key}")
        assert held <= charged
        return int(charged)

    async def _units(self, scope: str) -> float:
        return (await self._real.spent([(scope, HOUR)], self.clock.now()))[scope]

    async def claims(self) -> int:
        """How often a write was claimed."""
        return len(await self.events(Claimed))


async def until_quiet(work: Callable[[Workload], Awaitable[Any]], workload: Workload) -> Any:
    """Two looks: the first decides, the second carries out."""
    await work(workload)
    return await work(workload)
