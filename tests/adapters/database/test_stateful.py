"""Whatever is asked of them, in whatever order: the store in memory and the one on SQLite give the same answers."""

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.adapters.database import open_database
from controller.adapters.memory.store import MemoryStore
from controller.core.events import Noted
from controller.ports import Commit, Exhausted, OutboxRow, Reservation, Store
from tests.contracts.store_contract import NOW

T = TypeVar("T")

SCOPES = ("actions:cluster", "floor:cluster")
WINDOWS = (timedelta(hours=1), timedelta(hours=4))

streams = st.sampled_from(("incident:1", "incident:2", "workload:a"))
keys = st.sampled_from(("INC-1/0/0", "INC-1/0/1", "INC-2/0/0", "INC-3/0/0"))
reservations = st.builds(
    Reservation,
    key=keys,
    scope=st.sampled_from(SCOPES),
    units=st.sampled_from((0.0, 0.1, 0.5, 1.0, 2.0)),
    window=st.sampled_from(WINDOWS),
    limit=st.sampled_from((1.0, 2.0, 3.0)),
)
rows = st.builds(
    OutboxRow,
    kind=st.sampled_from(("chat", "page")),
    key=st.sampled_from(("INC-1", "INC-2")),
    body=st.dictionaries(
        st.text(max_size=3), st.integers() | st.floats(allow_nan=False) | st.text(max_size=3), max_size=2
    ),
    not_before=st.none() | st.sampled_from((NOW, NOW + timedelta(hours=2))),
)
texts = st.lists(st.text(max_size=5), max_size=3)
steps = st.timedeltas(timedelta(minutes=-10), timedelta(minutes=50))


class BothStores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.now = NOW
        self.memory = MemoryStore(lambda: "same")
        self.sqlite = self.run(open_database(f"sqlite:///{self.folder.name}/t.sqlite3", new_id=lambda: "same"))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @property
    def both(self) -> tuple[Store, Store]:
        return self.memory, self.sqlite

    @rule(
        stream=streams,
        behind=st.sampled_from((0, 0, 0, 0, 1)),
        epoch=st.sampled_from((None, 0, 1, 2)),
        texts=texts,
        reserve=st.lists(reservations, max_size=2),
        release=st.lists(keys, max_size=1),
        outbox=st.lists(rows, max_size=2),
        step=steps,
    )
    def commit(
        self,
        stream: str,
        behind: int,
        epoch: int | None,
        texts: list[str],
        reserve: list[Reservation],
        release: list[str],
        outbox: list[OutboxRow],
        step: timedelta,
    ) -> None:
        self.now += step
        commit = Commit(
            stream,
            max(len(self.run(self.memory.read(stream))) - behind, 0),
            tuple(Noted(at=self.now, code="x", text=text) for text in texts),
            epoch,
            tuple(reserve),
            tuple(release),
            tuple(outbox),
        )
        first, second = (self.run(store.commit(commit, self.now)) for store in self.both)
        assert first == second
        assert not isinstance(first, Exhausted) or first.frees_at > self.now

    @rule(later=st.timedeltas(timedelta(0), timedelta(hours=3)), which=st.integers(0, 3), deliver=st.booleans())
    def deliver(self, later: timedelta, which: int, deliver: bool) -> None:
        for store in self.both:
            due = self.run(store.due(self.now))
            if which < len(due):
                done = (
                    store.delivered(due[which].id, self.now)
                    if deliver
                    else store.postpone(due[which].id, self.now + later)
                )
                self.run(done)

    @rule(at_least=st.integers(0, 2))
    def take_over(self, at_least: int) -> None:
        if self.run(self.memory.identity()).epoch < 2:
            first, second = (self.run(store.advance_epoch(at_least)) for store in self.both)
            assert first == second

    @rule(name=st.sampled_from(("incident", "other")))
    def number(self, name: str) -> None:
        first, second = (self.run(store.next_number(name)) for store in self.both)
        assert first == second

    @invariant()
    def they_agree(self) -> None:
        first, second = (self.run(self.seen(store, self.now)) for store in self.both)
        assert first == second

    @staticmethod
    async def seen(store: Store, now: datetime) -> tuple[object, ...]:
        """Everything that can be read of a store; ids of outbox rows are its own."""
        due = await store.due(now + timedelta(hours=9))
        return (
            await store.follow(0),
            await store.streams("incident:"),
            await store.spent([(scope, window) for scope in SCOPES for window in WINDOWS], now),
            [(row.kind, row.key, row.body, row.attempts, row.not_before) for row in due],
            await store.identity(),
            await store.verify(),
        )

    def teardown(self) -> None:
        self.run(self.sqlite.close())
        self.runner.close()
        self.folder.cleanup()


TestBothStores = BothStores.TestCase
TestBothStores.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
