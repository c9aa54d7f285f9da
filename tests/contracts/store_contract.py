"""What every Store promises, run on each: in memory, on SQLite, and on PostgreSQL with two replicas."""

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from controller.core.chain import GENESIS
from controller.core.events import Event, Noted, Opened, Symptom
from controller.core.window import NEVER
from controller.ports import (
    Commit,
    CommitResult,
    Committed,
    Exhausted,
    Fenced,
    OutboxRow,
    Reservation,
    Stale,
    Store,
    Stored,
)
from detectors.series import Workload

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCOPE = "actions:namespace:shop"


def noted(text: str = "something", at: datetime = NOW) -> Noted:
    return Noted(at=at, code="test", text=text)


def claim(key: str, units: float = 1, limit: float = 3, scope: str = SCOPE, window: timedelta = HOUR) -> Reservation:
    return Reservation(key, scope, units, window, limit)


def row(key: str, kind: str = "chat", not_before: datetime | None = None, **body: object) -> OutboxRow:
    return OutboxRow(kind, key, body, not_before=not_before)


async def append(store: Store, stream: str, *texts: str, expected: int = 0, now: datetime = NOW) -> tuple[Stored, ...]:
    result = await store.commit(Commit(stream, expected, tuple(noted(text) for text in texts)), now)
    assert isinstance(result, Committed), result
    return result.stored


async def reserve(store: Store, *reservations: Reservation, now: datetime = NOW) -> CommitResult:
    stream = f"intent:{reservations[0].key}"
    return await store.commit(Commit(stream, len(await store.read(stream)), (noted(),), reserve=reservations), now)


async def release(store: Store, *keys: str, now: datetime = NOW) -> None:
    stream = f"release:{keys[0]}"
    commit = Commit(stream, len(await store.read(stream)), (noted(),), release=keys)
    assert isinstance(await store.commit(commit, now), Committed)


async def spent(store: Store, now: datetime = NOW, scope: str = SCOPE, window: timedelta = HOUR) -> float:
    return (await store.spent([(scope, window)], now))[scope]


class StoreContract:
    """Subclasses give the fixtures `store`, and `peers`: two replicas on the same store (or the same one twice)."""

    async def test_a_new_store_is_empty_and_has_a_name(self, store: Store) -> None:
        identity = await store.identity()

        assert identity.id
        assert (identity.epoch, identity.sequence, identity.head) == (0, 0, GENESIS)
        assert await store.read("incident:1") == ()
        assert await store.follow(0) == ()
        assert await store.due(NOW) == ()
        assert await spent(store) == 0

    async def test_what_was_committed_is_read_back_in_order(self, store: Store) -> None:
        first = await append(store, "incident:1", "a", "b")
        later = await append(store, "incident:1", "c", expected=2, now=NOW + HOUR)

        read = await store.read("incident:1")

        assert read == first + later
        assert [(s.number, s.event) for s in read] == [(1, noted("a")), (2, noted("b")), (3, noted("c"))]
        assert [s.recorded_at for s in read] == [NOW, NOW, NOW + HOUR]
        assert all(s.recorded_at.utcoffset() == timedelta() for s in read)

    async def test_the_newest_events_of_a_stream_are_read_without_the_others(self, store: Store) -> None:
        stored = await append(store, "incident:1", *"abcd")
        await append(store, "incident:2", "other")

        assert await store.read("incident:1", newest=2) == stored[2:]
        assert await store.read("incident:1", newest=9) == stored
        assert await store.read("nothing", newest=1) == ()

    async def test_several_streams_are_read_in_one_question_in_the_order_asked_for(self, store: Store) -> None:
        one, two = await append(store, "incident:1", *"ab"), await append(store, "incident:2", "c")
        one += await append(store, "incident:1", "d", expected=2)
        await append(store, "incident:3", "e")

        found = await store.together(["incident:2", "nothing", "incident:1"])

        assert list(found.items()) == [("incident:2", two), ("incident:1", one)]
        assert await store.together([]) == {}

    async def test_what_was_recorded_since_a_time_is_found_by_stream_with_what_came_before(self, store: Store) -> None:
        later = NOW + timedelta(microseconds=1)
        old = await append(store, "floor:a", *"abc")
        await append(store, "floor:over", "x")
        new = await append(store, "floor:a", *"de", expected=3, now=later)
        fresh = await append(store, "floor:b", "f", now=NOW + HOUR)
        await append(store, "Floor:a", "another", now=NOW + HOUR)
        await append(store, "floor", "shorter", now=NOW + HOUR)

        assert await store.since("floor:", later) == {"floor:a": new, "floor:b": fresh}
        assert await store.since("floor:", later, before=2) == {"floor:a": old[1:] + new, "floor:b": fresh}
        assert await store.since("floor:", NOW + HOUR) == {"floor:b": fresh}
        assert await store.since("floor:", NOW + 2 * HOUR, before=5) == {}
        assert set(await store.since("", NOW)) == {"floor:a", "floor:over", "floor:b", "Floor:a", "floor"}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Grüße · 17 ≥ 3 ✔ 🚢",
            "NUL \x00 and \x1b[31m",
            "half a pair \ud83d",
            "'; DROP TABLE events; --",
            "%s :x ?",
        ],
        ids=["empty", "unicode", "control", "surrogate", "sql", "placeholders"],
    )
    async def test_any_text_survives(self, store: Store, text: str) -> None:
        await append(store, "incident:1", text)

        assert (await store.read("incident:1"))[0].event == noted(text)

    async def test_any_number_survives(self, store: Store) -> None:
        evidence = {
            "infinite": math.inf,
            "tiny": 5e-324,
            "long": 0.1 + 0.2,
            "big": 2**60,
            "whole": 1.0,
            "negative": -0.0,
        }
        opened = Opened(
            at=NOW,
            incident="INC-1",
            workload=Workload("shop", "Deployment", "checkout"),
            symptoms=(Symptom("crash-looping", "7 of 12 pods restart"),),
            evidence=dict(evidence),
        )
        await store.commit(Commit("incident:1", 0, (opened,)), NOW)

        event: Event = (await store.read("incident:1"))[0].event

        assert event == opened
        assert isinstance(event, Opened)
        assert {name: repr(value) for name, value in event.evidence.items()} == {
            n: repr(v) for n, v in evidence.items()
        }

    async def test_microseconds_and_other_zones_are_one_instant(self, store: Store) -> None:
        at = datetime.fromisoformat("2026-03-01T13:00:00.000001+01:00")
        await store.commit(Commit("incident:1", 0, (noted(at=at),)), at)

        stored = (await store.read("incident:1"))[0]

        assert stored.event.at == at
        assert stored.recorded_at == at

    async def test_a_time_without_a_zone_is_refused_and_nothing_is_kept(self, store: Store) -> None:
        naive = datetime(2026, 3, 1)  # noqa: DTZ001 -- what must be refused
        for commit, now in ((Commit("a", 0, (noted(at=naive),)), NOW), (Commit("a", 0, (noted(),)), naive)):
            with pytest.raises(ValueError, match="time zone"):
                await store.commit(commit, now)
        with pytest.raises(ValueError, match="time zone"):
            await store.postpone(1, naive)
        with pytest.raises(ValueError, match="time zone"):
            row("k", not_before=naive)

        assert await store.read("a") == ()
        await append(store, "a", "goes on")

    @pytest.mark.parametrize("expected", [0, 1, 3], ids=["none", "before", "ahead"])
    async def test_a_writer_who_has_not_seen_the_last_event_is_stale(self, store: Store, expected: int) -> None:
        await append(store, "incident:1", "a", "b")
        commit = Commit("incident:1", expected, (noted(),), reserve=(claim("k"),), outbox=(row("k"),))

        assert await store.commit(commit, NOW) == Stale(actual=2)

        assert len(await store.read("incident:1")) == 2
        assert await spent(store) == 0
        assert await store.due(NOW) == ()

    async def test_of_writers_on_one_stream_exactly_one_wins(self, peers: Sequence[Store]) -> None:
        """Approvals come in through any replica; only one of them may count."""
        results = await asyncio.gather(
            *(peers[i % 2].commit(Commit("incident:1", 0, (noted(str(i)),)), NOW) for i in range(10))
        )

        assert sum(isinstance(result, Committed) for result in results) == 1
        assert [result for result in results if not isinstance(result, Committed)] == [Stale(actual=1)] * 9
        assert len(await peers[0].read("incident:1")) == 1

    async def test_the_sequence_has_no_gap_whatever_was_refused(self, peers: Sequence[Store]) -> None:
        commits = [Commit(f"s{i % 7}", 0, (noted(), noted()), reserve=(claim(str(i), limit=5),)) for i in range(30)]
        await asyncio.gather(*(peers[i % 2].commit(commit, NOW) for i, commit in enumerate(commits)))

        followed = await peers[0].follow(0)

        assert [s.sequence for s in followed] == list(range(1, len(followed) + 1))
        assert (await peers[1].identity()).sequence == len(followed) == 10

    async def test_a_follower_never_misses_an_event_that_commits_later(self, peers: Sequence[Store]) -> None:
        seen: list[int] = []

        async def follow() -> None:
            while len(seen) < 60:
                seen.extend(stored.sequence for stored in await peers[1].follow(seen[-1] if seen else 0, limit=7))
                await asyncio.sleep(0)

        follower = asyncio.create_task(follow())
        await asyncio.gather(*(append(peers[i % 2], f"s{i}", "a", "b", "c") for i in range(20)))
        await follower

        assert seen == list(range(1, 61))

    async def test_following_comes_in_pages(self, store: Store) -> None:
        await append(store, "a", *"12345")

        assert [s.sequence for s in await store.follow(1, limit=3)] == [2, 3, 4]
        assert await store.follow(5) == ()

    async def test_streams_are_listed_by_literal_prefix_oldest_first(self, store: Store) -> None:
        for stream in ("incident:2", "Incident:3", "incident:10", "incident_1", "incident%", "workload:a"):
            await append(store, stream, "x")
        await append(store, "incident:2", "y", expected=1)

        assert await store.streams("incident:") == ("incident:2", "incident:10")
        assert await store.streams("incident%") == ("incident%",)
        assert await store.streams("incident_") == ("incident_1",)
        assert len(await store.streams("")) == 6

    async def test_an_older_epoch_is_fenced_and_writes_nothing(self, store: Store) -> None:
        old = await store.advance_epoch()
        new = await store.advance_epoch()
        commit = Commit("a", 0, (noted(),), epoch=old, reserve=(claim("k"),), outbox=(row("k"),))

        assert await store.commit(commit, NOW) == Fenced(epoch=new)

        assert await store.read("a") == ()
        assert await spent(store) == 0
        assert await store.due(NOW) == ()

    async def test_the_fence_is_named_before_anything_else(self, store: Store) -> None:
        await append(store, "a", "x")
        await store.advance_epoch()

        assert await store.commit(Commit("a", 0, (noted(),), epoch=0), NOW) == Fenced(epoch=1)

    async def test_the_leader_and_whoever_need_not_lead_pass_the_fence(self, store: Store) -> None:
        epoch = await store.advance_epoch()

        assert isinstance(await store.commit(Commit("a", 0, (noted(),), epoch=epoch), NOW), Committed)
        assert isinstance(await store.commit(Commit("b", 0, (noted(),), epoch=None), NOW), Committed)

    async def test_the_epoch_only_rises_and_above_what_the_lease_has_seen(self, store: Store) -> None:
        assert await store.advance_epoch() == 1
        assert await store.advance_epoch(at_least=7) == 8
        assert await store.advance_epoch(at_least=3) == 9
        assert (await store.identity()).epoch == 9

    async def test_two_who_take_over_at_once_get_two_epochs(self, peers: Sequence[Store]) -> None:
        epochs = await asyncio.gather(*(peers[i % 2].advance_epoch() for i in range(10)))

        assert sorted(epochs) == list(range(1, 11))

    async def test_s8_fifty_claims_at_once_never_exceed_a_budget(self, peers: Sequence[Store]) -> None:
        results = await asyncio.gather(*(reserve(peers[i % 2], claim(f"k{i}", limit=7)) for i in range(50)))

        won = [result for result in results if isinstance(result, Committed)]
        lost = [result for result in results if not isinstance(result, Committed)]
        assert len(won) == 7
        assert lost == [Exhausted(SCOPE, 7, frees_at=NOW + HOUR)] * 43
        assert await spent(peers[0]) == 7
        assert (await peers[0].identity()).sequence == 7

    async def test_a_budget_slides(self, store: Store) -> None:
        await reserve(store, claim("a"), now=NOW)
        await reserve(store, claim("b"), now=NOW + HOUR / 2)
        await reserve(store, claim("c"), now=NOW + HOUR / 2)

        just_before = await reserve(store, claim("d"), now=NOW + HOUR - timedelta(microseconds=1))
        then = await reserve(store, claim("d"), now=NOW + HOUR)

        assert just_before == Exhausted(SCOPE, 3, frees_at=NOW + HOUR)
        assert isinstance(then, Committed)
        assert await spent(store, NOW + HOUR) == 3
        assert await spent(store, NOW + HOUR, window=2 * HOUR) == 4

    async def test_a_large_claim_waits_until_enough_is_free(self, store: Store) -> None:
        for minutes in (0, 10, 20):
            await reserve(store, claim(f"k{minutes}"), now=NOW + timedelta(minutes=minutes))

        result = await reserve(store, claim("large", units=2), now=NOW + HOUR / 2)

        assert result == Exhausted(SCOPE, 3, frees_at=NOW + HOUR + timedelta(minutes=10))

    @pytest.mark.parametrize("limit", [0, 0.5])
    async def test_a_claim_larger_than_its_budget_never_fits(self, store: Store, limit: float) -> None:
        assert await reserve(store, claim("k", limit=limit)) == Exhausted(SCOPE, limit, frees_at=NEVER)

    async def test_a_clock_that_was_set_back_frees_nothing(self, store: Store) -> None:
        for key in "abc":
            await reserve(store, claim(key))

        assert isinstance(await reserve(store, claim("d"), now=NOW - 3 * HOUR), Exhausted)

    async def test_s8_what_is_released_is_free_at_once(self, store: Store) -> None:
        both = (claim("a", limit=1), claim("a", limit=1, scope="actions:cluster"))
        await reserve(store, *both)

        await release(store, "a", "unknown")

        assert await spent(store) == 0
        assert await spent(store, scope="actions:cluster") == 0
        assert isinstance(await reserve(store, claim("b", limit=1)), Committed)

    async def test_a_commit_releases_before_it_reserves(self, store: Store) -> None:
        await reserve(store, claim("old", limit=1))

        swap = Commit("a", 0, (noted(),), release=("old",), reserve=(claim("new", limit=1),))

        assert isinstance(await store.commit(swap, NOW), Committed)
        assert await spent(store) == 1

    async def test_a_repeated_intent_is_charged_once(self, store: Store) -> None:
        await reserve(store, claim("a", limit=1), now=NOW)
        repeated = await reserve(store, claim("a", limit=1), now=NOW + HOUR / 2)

        assert isinstance(repeated, Committed)
        assert await spent(store, NOW + HOUR / 2) == 1
        assert await spent(store, NOW + HOUR) == 0, "the repeat must not prolong the charge"

    async def test_a_repeated_intent_may_change_its_units_within_the_budget(self, store: Store) -> None:
        await reserve(store, claim("a", units=1), claim("b", units=1))

        assert isinstance(await reserve(store, claim("a", units=2)), Committed)
        assert await spent(store) == 3
        assert isinstance(await reserve(store, claim("a", units=2.5)), Exhausted)
        assert await spent(store) == 3

    async def test_an_intent_repeated_after_its_window_is_charged_again(self, store: Store) -> None:
        await reserve(store, claim("a", limit=1), now=NOW)
        await reserve(store, claim("a", limit=1), now=NOW + HOUR)

        assert await spent(store, NOW + HOUR) == 1

    async def test_one_spent_budget_undoes_the_whole_commit(self, store: Store) -> None:
        await reserve(store, claim("full", limit=1, scope="actions:cluster"))
        await reserve(store, claim("held"))
        commit = Commit(
            "a",
            0,
            (noted(),),
            release=("held",),
            reserve=(claim("k"), claim("k", limit=1, scope="actions:cluster")),
            outbox=(row("k"),),
        )

        assert await store.commit(commit, NOW) == Exhausted("actions:cluster", 1, frees_at=NOW + HOUR)

        assert await store.read("a") == ()
        assert await spent(store) == 1, "the released one is back, the new one is not there"
        assert await store.due(NOW) == ()
        assert (await store.verify()).faults == ()

    async def test_ten_tenths_fit_into_one(self, store: Store) -> None:
        for i in range(10):
            assert isinstance(await reserve(store, claim(f"k{i}", units=0.1, limit=1)), Committed)

        assert isinstance(await reserve(store, claim("k10", units=0.1, limit=1)), Exhausted)

    @pytest.mark.parametrize(
        ("units", "limit", "window"),
        [
            (-1.0, 3.0, HOUR),
            (math.nan, 3.0, HOUR),
            (math.inf, math.inf, HOUR),
            (1.0, math.nan, HOUR),
            (1.0, 3.0, timedelta()),
        ],
    )
    def test_a_reservation_that_makes_no_sense_cannot_be_made(
        self, units: float, limit: float, window: timedelta
    ) -> None:
        with pytest.raises(ValueError, match="makes no sense"):
            claim("k", units, limit, window=window)

    async def test_what_waits_is_delivered_oldest_first_when_its_time_has_come(self, store: Store) -> None:
        rows = (row("a", n=1), row("b", not_before=NOW + HOUR), row("c"), row("a", kind="page"))
        await store.commit(Commit("s", 0, (), outbox=rows), NOW)

        assert [(r.kind, r.key, r.body, r.attempts) for r in await store.due(NOW)] == [
            ("chat", "a", {"n": 1}, 0),
            ("chat", "c", {}, 0),
            ("page", "a", {}, 0),
        ]
        assert [r.key for r in await store.due(NOW + HOUR, limit=2)] == ["a", "b"]

    async def test_a_message_that_still_waits_is_replaced(self, store: Store) -> None:
        await store.commit(Commit("s", 0, (), outbox=(row("a", n=1), row("b"))), NOW)
        sending = (await store.due(NOW))[0]
        await store.commit(Commit("s", 0, (), outbox=(row("a", n=2),)), NOW)

        await store.delivered(sending.id, NOW)
        await store.postpone(sending.id, NOW + HOUR)

        assert [(r.key, r.body, r.attempts) for r in await store.due(NOW)] == [("b", {}, 0), ("a", {"n": 2}, 0)]

    async def test_a_delivered_message_is_gone_and_its_id_never_comes_back(self, store: Store) -> None:
        await store.commit(Commit("s", 0, (), outbox=(row("a"),)), NOW)
        first = (await store.due(NOW))[0]
        await store.delivered(first.id, NOW)
        await store.delivered(first.id, NOW)
        assert await store.due(NOW) == ()

        await store.commit(Commit("s", 0, (), outbox=(row("a"),)), NOW)

        assert (await store.due(NOW))[0].id > first.id

    async def test_a_postponed_message_counts_its_attempts(self, store: Store) -> None:
        await store.commit(Commit("s", 0, (), outbox=(row("a"),)), NOW)
        for _ in range(2):
            await store.postpone((await store.due(NOW + HOUR))[0].id, NOW + HOUR)

        assert await store.due(NOW) == ()
        (waiting,) = await store.due(NOW + HOUR)
        assert (waiting.attempts, waiting.not_before) == (2, NOW + HOUR)

    async def test_numbers_begin_at_one_and_never_come_twice(self, peers: Sequence[Store]) -> None:
        drawn = await asyncio.gather(*(peers[i % 2].next_number("incident") for i in range(20)))

        assert sorted(drawn) == list(range(1, 21))
        assert await peers[0].next_number("other") == 1

    async def test_s37_adopting_gives_a_new_id_and_changes_nothing_else(self, store: Store) -> None:
        await append(store, "a", "x")
        await store.advance_epoch()
        before = await store.identity()

        adopted = await store.adopt()

        assert adopted.id != before.id
        assert (adopted.epoch, adopted.sequence, adopted.head) == (before.epoch, before.sequence, before.head)
        assert await store.identity() == adopted

    async def test_s34_an_untouched_log_verifies_up_to_its_head(self, store: Store) -> None:
        early = await append(store, "a", "x", "y")
        await append(store, "b", "z")

        report = await store.verify(expected_head=early[-1].chain)

        assert (report.events, report.head, report.faults) == (3, (await store.identity()).head, ())
        assert (await store.verify()).faults == ()

    async def test_s34_a_head_known_elsewhere_that_is_no_link_of_the_log_is_a_fault(self, store: Store) -> None:
        await append(store, "a", "x")

        (fault,) = (await store.verify(expected_head="f" * 64)).faults

        assert "cut or rewritten" in fault

    async def test_an_empty_log_verifies(self, store: Store) -> None:
        assert await store.verify(expected_head=GENESIS) == await store.verify()
        assert (await store.verify()).faults == ()

    async def test_a_cancelled_commit_is_whole_or_not_there_and_the_store_goes_on(self, store: Store) -> None:
        for delay in range(12):
            stream = f"cancelled:{delay}"
            commit = Commit(stream, 0, (noted(), noted()), reserve=(claim(stream, limit=99),), outbox=(row(stream),))
            task = asyncio.create_task(store.commit(commit, NOW))
            for _ in range(delay):
                await asyncio.sleep(0.0005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        streams = await store.streams("cancelled:")
        assert {len(await store.read(stream)) for stream in streams} <= {2}
        assert await spent(store) == len(streams)
        assert {r.key for r in await store.due(NOW)} == set(streams)
        await append(store, "after", "goes on")
        assert (await store.verify()).faults == ()
