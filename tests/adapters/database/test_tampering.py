"""S34: what was done to the log behind the program's back is found."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import DBAPIError

from controller.adapters.database import open_database
from controller.core.chain import GENESIS, Row, link
from controller.ports import Store
from tests.adapters.database.tampering import tamper
from tests.contracts.store_contract import NOW, append

EDIT_BODY = "UPDATE events SET body = replace(body, 'two', 'too') WHERE sequence = 2"
DELETE_ONE = "DELETE FROM events WHERE sequence = 2"
CUT_END = "DELETE FROM events WHERE sequence > 3"
CUT_END_AND_HEAD = (
    CUT_END,
    "UPDATE store SET sequence = 3, head = (SELECT chain FROM events WHERE sequence = 3)",
)
SWAP = (
    "UPDATE events SET sequence = 99 WHERE sequence = 2",
    "UPDATE events SET sequence = 2 WHERE sequence = 3",
    "UPDATE events SET sequence = 3 WHERE sequence = 99",
)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    store = await open_database(url)
    await append(store, "a", "one", "two", "three")
    await append(store, "b", "four", "five")
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ((EDIT_BODY,), "event 2 (a/2 noted) does not match its chain"),
        (("UPDATE events SET kind = 'closed' WHERE sequence = 2",), "event 2 (a/2 closed) does not match"),
        (("UPDATE events SET version = 2 WHERE sequence = 2",), "event 2 (a/2 noted) does not match"),
        (("UPDATE events SET stream = 'c', number = 1 WHERE sequence = 4",), "event 4 (c/1 noted) does not match"),
        (("UPDATE events SET recorded_at = '2026-03-01T11:00:00.000000Z' WHERE sequence = 5",), "event 5 (b/2 noted)"),
        (("UPDATE events SET chain = '00' WHERE sequence = 5",), "event 5 (b/2 noted) does not match"),
        ((DELETE_ONE,), "event 2 is missing before event 3"),
        (("DELETE FROM events WHERE sequence < 4",), "events 1 to 3 are missing before event 4"),
        (SWAP, "event 2 (a/3 noted) does not match"),
        ((CUT_END,), "the log ends at event 3, but the store has recorded 5"),
        (("DELETE FROM events",), "the log ends at event 0, but the store has recorded 5"),
        (("UPDATE store SET sequence = 4",), "the log goes on to event 5, but the store has recorded only 4"),
        (("UPDATE store SET head = '00'",), "the head that the store has recorded is not that of its last event"),
    ],
    ids=[
        "body", "kind", "version", "stream", "time", "chain", "deleted", "beginning", "swapped", "cut", "emptied",
        "sequence", "head",
    ],
)  # fmt: skip
async def test_s34_a_changed_log_is_found_with_its_place(
    store: Store, url: str, statements: tuple[str, ...], found: str
) -> None:
    assert (await store.verify()).faults == ()

    tamper(url, *statements)

    faults = (await store.verify()).faults
    assert any(fault.startswith(found) for fault in faults), faults


async def test_s34_a_cut_that_also_moves_the_head_is_found_by_a_head_kept_elsewhere(store: Store, url: str) -> None:
    mirrored = (await store.identity()).head
    tamper(url, *CUT_END_AND_HEAD)

    assert (await store.verify()).faults == ()
    (fault,) = (await store.verify(expected_head=mirrored)).faults
    assert f"the head {mirrored} known elsewhere is not in the log" in fault


async def test_s34_a_rewrite_with_a_consistent_chain_is_found_by_a_head_kept_elsewhere(store: Store, url: str) -> None:
    mirrored = (await store.identity()).head
    rewrite(url, await rows(store))

    assert (await store.verify()).faults == ()
    assert (await store.verify(expected_head=mirrored)).faults


async def test_s34_one_deletion_is_told_once_not_for_every_event_after_it(store: Store, url: str) -> None:
    tamper(url, "DELETE FROM events WHERE sequence = 1", "UPDATE events SET number = number - 1 WHERE stream = 'x'")

    faults = (await store.verify()).faults

    assert len([fault for fault in faults if "missing" in fault]) == 1
    assert not any("event 4" in fault or "event 5" in fault for fault in faults)


@pytest.mark.parametrize("statement", [EDIT_BODY, DELETE_ONE], ids=["update", "delete"])
async def test_s34_the_database_itself_refuses_to_change_an_event(store: Store, url: str, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        tamper(url, statement, guarded=True)

    assert (await store.verify()).faults == ()


async def rows(store: Store) -> list[Row]:
    """The log as rows, the second event reworded."""
    found = []
    for stored in await store.follow(0):
        text = stored.event.text.replace("two", "too")  # type: ignore[union-attr]  # all of them are Noted
        body = f'{{"at":"2026-03-01T12:00:00Z","by":"","code":"test","text":"{text}"}}'
        found.append(Row(stored.sequence, stored.stream, stored.number, "noted", 1, body, NOW, NOW))
    return found


def rewrite(url: str, log: list[Row]) -> None:
    """Write the log anew, each event with the chain it would have had."""
    head, statements = GENESIS, []
    for row in log:
        head = link(head, row)
        update = "UPDATE events SET body = :body, chain = :chain WHERE sequence = :sequence"
        statements.append((update, {"body": row.body, "chain": head, "sequence": row.sequence}))
    tamper(url, *statements, ("UPDATE store SET head = :head", {"head": head}))
