"""The journal: what makes no sense is never stored, who is behind or replaced stops, who does not lead is silent."""

import pytest

from controller.adapters.memory.store import MemoryStore
from controller.core.events import Answered, HandedOver, Noted, Opened, Verdict, Via
from controller.core.history import History
from controller.journal import Behind, BudgetSpent, Journal, Replaced
from controller.ports import Reservation
from tests.core.samples import CHECKOUT, CRASHING, SYMPTOMS
from tests.loops.stage import BEGIN, HOUR

OPENED = Opened(BEGIN, "INC-1", CHECKOUT, SYMPTOMS, CRASHING)
TOLD = HandedOver(BEGIN, ("somebody look",))


def journal(store: MemoryStore, epoch: int | None = 1) -> Journal:
    return Journal(store, lambda: epoch, History())


async def test_what_makes_no_sense_is_never_stored() -> None:
    store = MemoryStore()
    one = journal(store)
    with pytest.raises(ValueError, match="there is no such incident"):
        await one.record(None, (TOLD,), BEGIN)
    incident = await one.open(OPENED, BEGIN)
    with pytest.raises(ValueError, match="not asked about"):
        await one.record(incident, (TOLD, Answered(BEGIN, "d", Verdict.APPROVE, "mara", Via.CLI)), BEGIN)

    assert len(await store.read("incident:INC-1")) == 1


async def test_who_has_fallen_behind_starts_over_from_the_log() -> None:
    one = journal(MemoryStore())
    incident = await one.open(OPENED, BEGIN)
    await one.record(incident, (TOLD,), BEGIN)

    with pytest.raises(Behind):
        await one.record(incident, (TOLD,), BEGIN)


async def test_who_was_replaced_stops() -> None:
    store = MemoryStore()
    one = journal(store)
    incident = await one.open(OPENED, BEGIN)
    await store.advance_epoch(1)

    with pytest.raises(Replaced):
        await one.record(incident, (TOLD,), BEGIN)


async def test_who_does_not_lead_records_nothing_but_peoples_answers() -> None:
    """Leadership that was dropped while a pass is under way must not turn its writes into unfenced ones."""
    store = MemoryStore()
    incident = await journal(store).open(OPENED, BEGIN)
    standby = journal(store, None)

    with pytest.raises(Replaced):
        await standby.record(incident, (TOLD,), BEGIN)
    await standby.record(incident, (TOLD,), BEGIN, any_replica=True)
    assert len(await store.read("incident:INC-1")) == 2


async def test_s8_an_event_without_room_in_its_budget_is_not_stored() -> None:
    store = MemoryStore()
    one = journal(store)
    incident = await one.open(OPENED, BEGIN)
    full = (Reservation("k", "actions:cluster", 1, HOUR, 0),)

    with pytest.raises(BudgetSpent):
        await one.record(incident, (TOLD,), BEGIN, reserve=full)
    assert len(await store.read("incident:INC-1")) == 1


async def test_the_record_follows_the_log_and_names_what_grew() -> None:
    store = MemoryStore()
    one, other = journal(store), journal(store)
    await one.open(OPENED, BEGIN)

    assert await other.catch_up() == {"incident:INC-1"}
    assert await other.catch_up() == frozenset()
    assert other.history.open == {CHECKOUT.key: "INC-1"}


async def test_a_note_goes_to_the_end_of_its_stream_and_only_a_leader_writes_it() -> None:
    store, noted = MemoryStore(), Noted(BEGIN, "leading", "trimtab-0 leads")
    leader = journal(store)
    assert await leader.note("program", noted, BEGIN)
    assert await leader.note("program", noted, BEGIN)
    assert not await journal(store, None).note("program", noted, BEGIN)
    await store.advance_epoch(1)
    assert not await leader.note("program", noted, BEGIN)

    assert [item.number for item in await store.read("program")] == [1, 2]
