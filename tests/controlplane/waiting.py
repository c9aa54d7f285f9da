"""Waiting for a condition: polls, ends at a deadline, and says what was seen last."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from tests.controlplane.errors import NeverHappened

T = TypeVar("T")


def wait_for(
    what: str,
    probe: Callable[[], T],
    *,
    until: Callable[[T], bool] = bool,
    timeout: float = 60.0,
    every: float = 0.1,
    absorb: tuple[type[Exception], ...] = (),
) -> T:
    """The first answer of `probe` that `until` accepts; `NeverHappened` with the last one after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            value = probe()
            if until(value):
                return value
            last = value
        except absorb as error:
            last = error
        if time.monotonic() >= deadline:
            raise NeverHappened(f"{what}: not within {timeout:g} s; last seen: {last!r}")
        time.sleep(every)


async def eventually(
    what: str,
    probe: Callable[[], T],
    *,
    until: Callable[[T], bool] = bool,
    timeout: float = 60.0,  # noqa: ASYNC109 - the same words as wait_for
    every: float = 0.1,
    absorb: tuple[type[Exception], ...] = (),
) -> T:
    """`wait_for` in a thread of its own, so that the event loop of an async test goes on."""
    return await asyncio.to_thread(wait_for, what, probe, until=until, timeout=timeout, every=every, absorb=absorb)
