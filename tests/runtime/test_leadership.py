"""S37: a store that is another or behind is not trusted until a person adopts it; the epoch rises over everyone."""

from dataclasses import replace

import pytest

from controller.adapters.memory.store import MemoryStore
from controller.core.events import Noted
from controller.ports import Commit, Committed, Fenced, StoreIdentity
from controller.runtime.leadership import ADOPT, EPOCH, FOUND, Leadership, Mirror, distrust, read_mirror, write_mirror
from tests.loops.stage import BEGIN

HERE = StoreIdentity("store-a", 3, 40, "head-40")
SAME = Mirror("store-a", 40, "head-40", 3)


@pytest.mark.parametrize(
    ("mirror", "words"),
    [
        (Mirror(), ""),
        (SAME, ""),
        (replace(SAME, sequence=39, head="head-39"), ""),
        (replace(SAME, store="store-b"), "another one"),
        (replace(SAME, sequence=41), "behind"),
        (replace(SAME, head="other"), "not the one the Lease remembers"),
    ],
    ids=["nothing remembered", "the same", "further on", "another", "behind", "another head"],
)
def test_s37_which_store_is_trusted(mirror: Mirror, words: str) -> None:
    found = distrust(mirror, HERE)

    assert (words in found) if words else found == ""


def test_what_is_mirrored_is_read_back_and_rubbish_counts_as_nothing() -> None:
    assert read_mirror(write_mirror(HERE)) == Mirror("store-a", 40, "head-40", 3)
    assert read_mirror({EPOCH: "many", "trimtab.dev/sequence": "-1"}) == Mirror()


async def commit(store: MemoryStore, epoch: int | None) -> object:
    last = len(await store.read("program"))
    return await store.commit(Commit("program", last, (Noted(BEGIN, "x", "y"),), epoch), BEGIN)


async def test_a_new_leader_fences_every_one_before_it() -> None:
    store = MemoryStore()
    old, new = Leadership(store), Leadership(store)
    await old.take({})
    await new.take({})

    assert isinstance(await commit(store, old.epoch), Fenced)
    assert isinstance(await commit(store, new.epoch), Committed)


async def test_an_epoch_rises_over_what_the_lease_remembers_too() -> None:
    leader = Leadership(MemoryStore())
    await leader.take({EPOCH: "41"})

    assert leader.epoch == 42


async def test_s37_another_store_is_found_out_and_trusted_only_once_adopted() -> None:
    store, other = MemoryStore(lambda: "store-b"), {"trimtab.dev/store": "store-a", "trimtab.dev/sequence": "9"}
    leader = Leadership(store)
    await leader.take(other)
    assert leader.distrusted
    assert leader.annotations() == {FOUND: "store-b"}

    assert not await leader.adopted({**other, ADOPT: "store-c"})
    await leader.refresh({**other, ADOPT: "store-c"})
    assert leader.distrusted
    assert await leader.adopted({**other, ADOPT: "store-b"})
    await leader.refresh({**other, ADOPT: "store-b"})
    assert not leader.distrusted
    assert leader.annotations()["trimtab.dev/store"] == "store-b"
    assert (leader.annotations()[FOUND], leader.annotations()[ADOPT]) == ("", "")


async def test_who_ceases_to_lead_trusts_and_mirrors_nothing() -> None:
    leader = Leadership(MemoryStore())
    await leader.take({})
    leader.drop()

    assert (leader.epoch, dict(leader.annotations())) == (None, {})
    assert leader.distrusted
    await leader.refresh({})
    assert dict(leader.annotations()) == {}
