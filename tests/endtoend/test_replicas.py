"""Two replicas on PostgreSQL: one leads; the other takes over, at once when told, within twenty seconds when not."""

import time
from collections.abc import Iterator

import pytest

from tests.controlplane.postgres import Postgres
from tests.endtoend.process import Trimtab
from tests.endtoend.release import ANNA, Release
from tests.endtoend.story import GOOD, Story
from tests.endtoend.visitor import Visitor

TAKE_OVER, GRACEFUL = 20.0, 3.0
"""Seconds, as promised."""


@pytest.fixture
def pair(release: Release, postgres: Postgres) -> Iterator[tuple[Trimtab, Trimtab]]:
    """The leader and the one that stands by."""
    release.end()
    with postgres.database() as url:
        leader, other = (release.replica(identity=f"trimtab-{number}", database=url) for number in range(2))
        release.leads(leader.start())
        yield leader, other.start()
        release.end()


def test_the_other_replica_takes_over_within_twenty_seconds_when_the_leader_is_killed(
    release: Release, pair: tuple[Trimtab, Trimtab]
) -> None:
    leader, other = pair
    leader.process.kill()
    since = time.monotonic()

    release.leads(other, timeout=2 * TAKE_OVER)

    assert time.monotonic() - since <= TAKE_OVER


def test_a_leader_that_is_told_to_stop_is_gone_within_three_seconds_and_the_other_leads_at_once(
    release: Release, pair: tuple[Trimtab, Trimtab]
) -> None:
    leader, other = pair
    since = time.monotonic()
    leader.stop()
    stopped = time.monotonic() - since
    release.leads(other)
    led = time.monotonic() - since

    assert stopped <= GRACEFUL
    assert led <= 2 * GRACEFUL


def test_an_answer_given_to_the_replica_that_stands_by_is_carried_out_once_by_the_leader(
    story: Story, pair: tuple[Trimtab, Trimtab]
) -> None:
    leader, other = pair
    asked = story.broken(leader)
    visitor = Visitor(other.url, story.release.token())

    visitor.answer(asked["spec"]["incident"], "approve", asked["spec"]["digest"])

    assert story.executed(asked).name == "checkout"
    assert other.logged("answer taken", by=ANNA)
    assert leader.logged("recorded", kind="applied")
    assert not other.logged("recorded", kind="applied")
    assert story.image == GOOD
    time.sleep(2)
    assert len(story.effects) == 1
    assert story.denied == []
    visitor.close()
