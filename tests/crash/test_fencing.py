"""SIGSTOP: a leader that is stopped, replaced and continued writes nothing any more, whatever the other decided.

The last test shows that these tests notice: without the fence the old leader's write is accepted.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.postgres import Postgres
from tests.crash.beside import played
from tests.crash.floors import FLOOR
from tests.crash.frozen import IN_FLIGHT, Ending, Interleaving, play

BEFORE = ("store.commit.before/intended", "store.commit.after/intended", "store.commit.before/claimed")
CLAIMED = ("store.commit.after/claimed", "cluster.apply.before")
WRITTEN = ("cluster.apply.after", "store.commit.before/applied", "store.commit.after/applied")

GOES_ON = tuple(Interleaving("restart", place) for place in (*BEFORE, *CLAIMED, *WRITTEN))
SUPERSEDED = tuple(Interleaving("restart", place, paused=True) for place in (*BEFORE[1:], *CLAIMED))
FLYING = Interleaving("restart", IN_FLIGHT, paused=True)
UNFENCED = Interleaving("restart", IN_FLIGHT, paused=True, fenced=False)

REFUSED = frozenset({409, 422, 504})
"""Answers to a write that was not made: in conflict, its lock did not hold, or given up by a server out of breath."""

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def endings(
    request: pytest.FixtureRequest, crash_plane: ControlPlane, postgres: Postgres, crash_folder: Path
) -> Iterator[Mapping[Interleaving, "Future[Ending]"]]:
    """Every chosen interleaving."""
    play_one = partial(play, crash_plane, postgres, crash_folder)
    with played(request.session.items, Interleaving, play_one, about=lambda story: story.remediation != FLOOR) as found:
        yield found


@pytest.mark.parametrize("story", GOES_ON, ids=str)
def test_s5_a_leader_that_was_stopped_there_and_replaced_writes_nothing_late(
    story: Interleaving, endings: Mapping[Interleaving, "Future[Ending]"]
) -> None:
    ending = endings[story].result()

    assert ending.verdict.stale_writes == 0
    assert ending.verdict.double_effects == 0
    assert ending.verdict.lost_intents == 0
    assert ending.verdict.leaks == ()
    assert ending.verdict.effects == 1


@pytest.mark.parametrize("story", SUPERSEDED, ids=str)
def test_s5_what_the_new_leader_has_superseded_the_old_one_cannot_write(
    story: Interleaving, endings: Mapping[Interleaving, "Future[Ending]"]
) -> None:
    """The old leader has committed to it, even claimed it; a person said stop; the new one writes nothing but the
    fence.
    """
    ending = endings[story].result()

    assert ending.verdict.stale_writes == 0
    assert ending.verdict.effects == 0
    assert ending.verdict.outcomes == ("superseded",)
    assert ending.verdict.fences >= 1
    assert ending.verdict.leaks == ()
    assert set(ending.late) <= REFUSED


@pytest.mark.parametrize("story", [FLYING], ids=str)
def test_s5_a_write_already_on_its_way_is_refused_once_it_is_superseded(
    story: Interleaving, endings: Mapping[Interleaving, "Future[Ending]"]
) -> None:
    """It left the old leader before anybody else led, and arrives after the new one has decided to write nothing."""
    ending = endings[story].result()

    assert ending.late[0] in REFUSED
    assert ending.verdict.effects == 0
    assert ending.verdict.outcomes == ("superseded",)
    assert ending.verdict.fences >= 1


@pytest.mark.parametrize("story", [UNFENCED], ids=str)
def test_without_the_fence_the_same_write_is_accepted_and_noticed_here(
    story: Interleaving, endings: Mapping[Interleaving, "Future[Ending]"]
) -> None:
    ending = endings[story].result()

    assert ending.late[0] == 200
    assert ending.verdict.stale_writes == 1
    assert ending.verdict.double_effects == 1
