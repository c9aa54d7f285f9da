"""The queue: each key once, never worked on twice at a time, bounded by the keys (S10)."""

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.memory.clock import VirtualClock
from controller.runtime.queue import KeyedQueue
from controller.virtual import turns

MINUTE = timedelta(minutes=1)


async def passes(clock: VirtualClock, duration: timedelta) -> None:
    """Whoever wants to wait begins to, then time passes."""
    await turns()
    await clock.advance(duration)


async def test_a_key_waits_once_however_often_it_is_added() -> None:
    queue: KeyedQueue[str] = KeyedQueue(VirtualClock())
    for _ in range(400):
        queue.add("a")
        queue.add("b")

    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_a_key_that_is_worked_on_comes_back_afterwards_once() -> None:
    queue: KeyedQueue[str] = KeyedQueue(VirtualClock())
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0

    queue.done("a")
    assert len(queue) == 1


async def test_an_appointment_is_kept_by_the_clock() -> None:
    clock = VirtualClock()
    queue: KeyedQueue[str] = KeyedQueue(clock)
    queue.add_after("a", 60)

    await passes(clock, MINUTE / 2)
    assert len(queue) == 0
    await passes(clock, MINUTE / 2)
    assert len(queue) == 1


async def test_an_earlier_appointment_stands_and_a_call_cancels_it() -> None:
    clock = VirtualClock()
    queue: KeyedQueue[str] = KeyedQueue(clock)
    queue.add_after("a", 60)
    queue.add_after("a", 600)
    await passes(clock, MINUTE)
    assert await queue.get() == "a"
    queue.done("a")

    queue.add_after("a", 600)
    queue.add_after("a", 60)
    await passes(clock, MINUTE)
    assert await queue.get() == "a"
    queue.done("a")

    queue.add_after("a", 60)
    queue.add("a")
    assert await queue.get() == "a"
    queue.done("a")
    await passes(clock, 10 * MINUTE)
    assert len(queue) == 0


async def test_what_waits_is_forgotten_with_the_leadership() -> None:
    clock = VirtualClock()
    queue: KeyedQueue[str] = KeyedQueue(clock)
    queue.add("a")
    queue.add_after("b", 1.0)
    queue.clear()
    await passes(clock, MINUTE)

    assert len(queue) == 0


async def test_it_is_drained_when_nothing_waits_or_is_worked_on_whatever_is_due_later() -> None:
    queue: KeyedQueue[str] = KeyedQueue(VirtualClock())
    queue.add("a")
    drained = asyncio.create_task(queue.drained())
    assert await queue.get() == "a"
    queue.add("a")
    queue.done("a")
    await turns()
    assert not drained.done()

    assert await queue.get() == "a"
    queue.add_after("a", 60)
    queue.done("a")
    await drained
    queue.clear()


@given(st.lists(st.tuples(st.sampled_from(["add", "get", "done"]), st.sampled_from("abc")), max_size=60))
def test_no_key_is_ever_worked_on_twice_at_a_time_and_none_is_lost(steps: list[tuple[str, str]]) -> None:
    async def play() -> None:
        queue: KeyedQueue[str] = KeyedQueue(VirtualClock())
        working: set[str] = set()
        owed: set[str] = set()
        for step, key in steps:
            if step == "add":
                queue.add(key)
                owed.add(key)
            elif step == "get" and len(queue):
                got = await queue.get()
                assert got not in working
                working.add(got)
                owed.discard(got)
            elif step == "done" and key in working:
                working.discard(key)
                queue.done(key)
        for key in tuple(working):
            queue.done(key)
        found = {await queue.get() for _ in range(len(queue))}
        assert found == owed

    asyncio.run(play())
