"""What every Leases adapter promises, run on each: in memory, and on a real API server."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from controller.errors import ApiUnavailable
from controller.ports import Leases, LeaseState

NEW = LeaseState(
    holder="one",
    renewed_at=datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
    duration=timedelta(seconds=15),
    transitions=0,
    annotations={"trimtab.dev/epoch": "1", "trimtab.dev/head": "a/b~c"},
    version="",
)


class Stage(Protocol):
    """Two candidates for one Lease that is not there yet."""

    one: Leases
    other: Leases

    async def remove(self) -> None: ...

    async def cut_off(self) -> None: ...


async def created(stage: Stage) -> LeaseState:
    made = await stage.one.write(NEW)
    assert made is not None
    return made


class LeasesContract:
    """Subclasses give the fixture `stage`."""

    async def test_no_lease_is_none(self, stage: Stage) -> None:
        assert await stage.one.read() is None

    async def test_what_is_written_is_what_is_read(self, stage: Stage) -> None:
        made = await created(stage)

        assert made.version
        assert replace(made, version="") == NEW
        assert await stage.other.read() == made

    async def test_the_second_to_create_it_is_too_late(self, stage: Stage) -> None:
        made = await created(stage)

        assert await stage.other.write(replace(NEW, holder="other")) is None
        assert await stage.other.read() == made

    async def test_a_write_at_the_version_that_was_read_replaces_everything(self, stage: Stage) -> None:
        made = await created(stage)
        taken = replace(made, holder="other", transitions=1, annotations={"trimtab.dev/epoch": "2"})

        written = await stage.other.write(taken)

        assert written is not None
        assert written.version != made.version
        assert replace(written, version="") == replace(taken, version="")
        assert await stage.one.read() == written

    async def test_a_write_at_an_older_version_changes_nothing(self, stage: Stage) -> None:
        made = await created(stage)
        newer = await stage.other.write(replace(made, holder="other"))

        assert await stage.one.write(replace(made, holder="one again")) is None
        assert await stage.one.read() == newer

    async def test_of_many_at_once_exactly_one_writes(self, stage: Stage) -> None:
        made = await created(stage)
        candidates = [stage.one, stage.other] * 5

        answers = await asyncio.gather(
            *(one.write(replace(made, holder=f"candidate-{n}")) for n, one in enumerate(candidates))
        )

        winners = [answer for answer in answers if answer is not None]
        assert len(winners) == 1
        assert await stage.one.read() == winners[0]

    async def test_a_lease_deleted_meanwhile_is_not_written(self, stage: Stage) -> None:
        made = await created(stage)
        await stage.remove()

        assert await stage.one.write(made) is None
        assert await stage.one.read() is None

    async def test_a_released_lease_can_be_written_and_read(self, stage: Stage) -> None:
        """A graceful stop clears the holder and the time, so that the next one need not wait."""
        made = await created(stage)

        released = await stage.one.write(replace(made, holder="", renewed_at=None))

        assert released is not None
        assert (released.holder, released.renewed_at) == ("", None)
        assert await stage.other.read() == released

    async def test_a_server_that_does_not_answer_is_unavailable(self, stage: Stage) -> None:
        made = await created(stage)
        await stage.cut_off()

        with pytest.raises(ApiUnavailable):
            await stage.one.read()
        with pytest.raises(ApiUnavailable):
            await stage.one.write(made)
