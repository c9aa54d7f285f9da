"""One leader by Lease, judged by own monotonic clocks; nothing here waits for a duration to be exact."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from controller.adapters.memory.leases import MemoryLease, MemoryLeases
from controller.ports import Leases, LeaseState
from controller.runtime.lease import Election, Terms, may_take

DURATION = 0.6
OURS = Terms("a", 15.0, 5.0)


def held_by(holder: str) -> LeaseState:
    return LeaseState(holder, None, timedelta(seconds=15), 1, {}, "7")


@pytest.mark.parametrize(
    ("state", "unchanged", "free"),
    [
        (None, 0.0, True),
        (held_by(""), 0.0, True),
        (held_by("a"), 0.0, True),
        (held_by("b"), 14.9, False),
        (held_by("b"), 15.0, True),
    ],
    ids=["absent", "given back", "ours", "another's", "another's, silent for its whole time"],
)
def test_who_may_take_the_lease(state: LeaseState | None, unchanged: float, free: bool) -> None:
    assert may_take(state, OURS, unchanged) is free


@dataclass
class Candidate:
    """One replica that runs for leader, and what it was told."""

    name: str
    lease: MemoryLease
    says: dict[str, str] = field(default_factory=dict)
    led: list[Mapping[str, str]] = field(default_factory=list)
    lost: int = 0

    def __post_init__(self) -> None:
        terms = Terms(self.name, DURATION, DURATION / 6)
        self.election = Election(self.leases, terms, lambda: self.says, lead=self._lead, lost=self._lost)
        self.leads = asyncio.Event()
        self.election.start()

    async def leases(self) -> Leases:
        return MemoryLeases(self.lease)

    async def _lead(self, annotations: Mapping[str, str]) -> None:
        self.led.append(annotations)
        self.leads.set()

    async def _lost(self) -> None:
        self.lost += 1
        self.leads.clear()

    async def wait(self) -> None:
        async with asyncio.timeout(20):
            await self.leads.wait()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is waited for lives in the election's own thread
            await asyncio.sleep(0.01)


async def test_two_never_lead_at_once_and_the_second_takes_over_when_the_lease_is_given_back() -> None:
    lease = MemoryLease()
    first = Candidate("a", lease, {"trimtab.dev/store": "s1"})
    await first.wait()
    second = Candidate("b", lease)
    for _ in range(20):
        assert not (first.election.leading and second.election.leading)
        await asyncio.sleep(DURATION / 20)
    assert not second.leads.is_set()

    await first.election.stop()
    assert not first.election.leading
    await second.wait()
    assert second.led == [{"trimtab.dev/store": "s1"}]
    await second.election.stop()


async def test_a_leader_that_cannot_renew_says_so_before_another_takes_over() -> None:
    lease = MemoryLease()
    first = Candidate("a", lease)
    await first.wait()
    lease.trouble = "the API server is away"
    await until(lambda: bool(first.lost))
    assert not first.election.leading

    lease.trouble = ""
    await first.wait()
    assert len(first.led) == 2
    await first.election.stop()


async def test_the_annotations_are_mirrored_and_empty_ones_removed() -> None:
    lease = MemoryLease()
    one = Candidate("a", lease, {"trimtab.dev/head": "h1", "trimtab.dev/adopt": "x"})
    await one.wait()
    one.says = {"trimtab.dev/head": "h2", "trimtab.dev/adopt": ""}

    def renewed() -> bool:
        state = lease.current()
        return state is not None and state.annotations.get("trimtab.dev/head") == "h2"

    await until(renewed)
    state = lease.current()
    assert state is not None
    assert "trimtab.dev/adopt" not in state.annotations
    await one.election.stop()


async def test_an_election_outlives_errors_of_any_kind() -> None:
    lease, tries = MemoryLease(), 0

    class Broken(MemoryLeases):
        async def read(self) -> LeaseState | None:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise RuntimeError("not what anybody expected")
            return await super().read()

    class Unlucky(Candidate):
        async def leases(self) -> Leases:
            return Broken(self.lease)

    one = Unlucky("a", lease)
    await one.wait()
    assert tries >= 3
    await one.election.stop()
