"""The program as a whole: leading is begun entirely or not at all, and what breaks is never silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.adapters.memory.clock import VirtualClock
from controller.adapters.memory.leases import MemoryLease, MemoryLeases
from controller.adapters.memory.store import MemoryStore
from controller.errors import StoreUnavailable
from controller.ports import Commit, CommitResult, Leases, LeaseState, Stored
from controller.program import Program
from controller.runtime.leadership import ADOPT, FOUND, STORE, write_mirror
from controller.runtime.lease import Election, Terms
from tests.loops.stage import MINUTE, Stage


class Breaking(MemoryStore):
    """A store whose log cannot be read the first times."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error, self.times = error, times

    async def follow(self, after: int, limit: int = 1000) -> tuple[Stored, ...]:
        if self.times:
            self.times -= 1
            raise self.error
        return await super().follow(after, limit)


class Broken(Stage):
    """A replica over such a store."""

    def __init__(self, store: MemoryStore) -> None:
        self.given = store
        super().__init__()

    def start(self) -> None:
        self.store = self.given
        super().start()


class Dead:
    """A pool whose workers are killed each time."""

    async def run(self, *_: object) -> Any:
        raise BrokenProcessPool("killed")


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(program.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(stage: Stage, there: Callable[[], bool]) -> None:
    """Let time pass until something holds."""
    async with asyncio.timeout(10):
        while not there():
            await stage.clock.advance(MINUTE)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "error", [StoreUnavailable("away"), KeyError("upcast")], ids=["expected", "nobody expected it"]
)
async def test_a_leader_that_cannot_begin_does_not_lead_says_so_and_tries_again(error: Exception) -> None:
    store = Breaking(error, 3)
    stage = Broken(store)
    with capture_logs() as logs:
        async with running(stage.program):
            await until(stage, lambda: store.times < 2)
            assert stage.program.leadership.epoch is None or store.times == 0
            await until(stage, stage.program.leads.is_set)
            assert stage.program.reconciler.working

    assert any(line["event"] == "cannot lead yet" for line in logs)
    stage.close()


async def test_a_fleet_that_cannot_be_asked_keeps_nobody_from_being_looked_at() -> None:
    """A worker that died costs the numbers of a round, not the round."""
    async with Stage() as stage:
        fleet = stage.program.sight.fleet
        assert fleet is not None

        fleet.workers = Dead()
        stage.watch()
        with capture_logs() as logs:
            await stage.program._round()
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["fleet not asked"]
        assert not stage.program.queue.idle


async def test_s37_a_store_that_is_not_trusted_pages_until_it_is_adopted() -> None:
    stage = Stage()
    stage.lease.swap(LeaseState("", None, timedelta(seconds=15), 1, {STORE: "0" * 32}, ""))
    async with running(stage.program):
        await until(stage, lambda: len(stage.pager.sent) == 1)
        assert stage.effects == ()
        (notice,) = stage.pager.sent
        assert "trimtab only observes: the store is another one" in notice.summary
        found = await stage.store.identity()
        election = stage.program.election
        assert election is not None
        election.seen = {ADOPT: found.id}
        await stage.program._mirror()
        await until(stage, lambda: len(stage.pager.sent) == 2)

    assert [notice.resolved for notice in stage.pager.sent] == [False, True]
    assert {notice.key for notice in stage.pager.sent} == {"trimtab-store"}


async def test_s37_whoever_was_paged_about_a_store_is_told_once_when_the_right_one_is_back() -> None:
    stage = Stage()
    right = write_mirror(await stage.store.identity())
    stage.lease.swap(LeaseState("", None, timedelta(seconds=15), 1, {**right, FOUND: "0" * 32}, ""))
    async with running(stage.program):
        await until(stage, lambda: len(stage.pager.sent) == 1)
        await until(stage, lambda: stage.program.leadership.annotations().get(FOUND) == "")
    stage.clock = VirtualClock(stage.clock.now())
    stage.start()
    async with running(stage.program):
        await until(stage, stage.program.leads.is_set)
        await stage.program.publisher.deliver()

    assert [(notice.key, notice.resolved) for notice in stage.pager.sent] == [("trimtab-store", True)]


async def test_s37_a_store_whose_adoption_could_not_be_noted_is_not_trusted_before_it_is() -> None:
    class Refusing(MemoryStore):
        refusing = False

        async def commit(self, commit: Commit, now: datetime) -> CommitResult:
            if self.refusing:
                raise StoreUnavailable("away")
            return await super().commit(commit, now)

    store = Refusing()
    stage = Broken(store)
    stage.lease.swap(LeaseState("", None, timedelta(seconds=15), 1, {STORE: "0" * 32}, ""))
    async with running(stage.program):
        await until(stage, lambda: len(stage.pager.sent) == 1)
        election, adopted = stage.program.election, {ADOPT: (await store.identity()).id}
        assert election is not None
        election.seen, store.refusing = adopted, True
        with pytest.raises(StoreUnavailable):
            await stage.program._mirror()
        assert stage.program.leadership.distrusted

        election.seen, store.refusing = adopted, False
        await stage.program._mirror()
        assert not stage.program.leadership.distrusted
        await until(stage, lambda: len(stage.pager.sent) == 2)

    assert [notice.resolved for notice in stage.pager.sent] == [False, True]


async def test_what_breaks_as_the_lease_changes_hands_is_said() -> None:
    lease, called = MemoryLease(), asyncio.Event()

    async def leases() -> Leases:
        return MemoryLeases(lease)

    def breaking(*_: object) -> Awaitable[None]:
        async def broken() -> None:
            called.set()
            raise KeyError("shelf")

        return broken()

    with capture_logs() as logs:
        election = Election(leases, Terms("a", 0.6, 0.1), dict, lead=breaking, lost=breaking)
        election.start()
        await called.wait()
        await asyncio.sleep(0)
        await election.stop()

    assert "leadership not changed" in [line["event"] for line in logs]
