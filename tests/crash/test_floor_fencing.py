"""SIGSTOP around the writes of a floor: a leader that was stopped, replaced and continued moves no minimum any more.

Also when nobody asks for the floor by then, and the other leader has given it back. The last test shows that these
notice: without the fence the old leader's apply is accepted. `python -m tests.crash.stops` visits every place.
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
from tests.crash.load import Load

GOES_ON = tuple(
    Interleaving(FLOOR, place)
    for place in ("cluster.apply.after@1", "cluster.release.before@1", "cluster.release.before@2")
)
UNASKED: Mapping[Interleaving, int] = {
    Interleaving(FLOOR, "cluster.apply.before@1", unasked=True): 0,
    Interleaving(FLOOR, "cluster.apply.before@2", unasked=True): 2,
    Interleaving(FLOOR, f"{IN_FLIGHT}@2", unasked=True): 2,
}
"""What is moved by then, by the new leader too: nothing, or the floor to where it was and back."""
FLYING = Interleaving(FLOOR, IN_FLIGHT, paused=True)
UNFENCED = Interleaving(FLOOR, IN_FLIGHT, paused=True, fenced=False)

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def endings(
    request: pytest.FixtureRequest,
    crash_plane: ControlPlane,
    postgres: Postgres,
    crash_folder: Path,
    crash_load: Load,
) -> Iterator[Mapping[Interleaving, "Future[Ending]"]]:
    """Every chosen interleaving."""
    play_one = partial(play, crash_plane, postgres, crash_folder, load=crash_load)
    with played(request.session.items, Interleaving, play_one, about=lambda story: story.remediation == FLOOR) as found:
        yield found


@pytest.mark.parametrize("story", GOES_ON, ids=str)
def test_s5_a_leader_of_a_floor_that_was_stopped_and_replaced_writes_nothing_late(
    story: Interleaving, endings: Mapping[Interleaving, "Future[Ending]"]
) -> None:
    ending = endings[story].result()

    assert ending.verdict.stale_writes == 0
    assert ending.verdict.double_effects == 0
    assert ending.verdict.lost_intents == 0
    assert ending.verdict.leaks == ()
    assert ending.verdict.effects == 3


@pytest.mark.parametrize("story", UNASKED, ids=str)
def test_s5_a_floor_that_nobody_asks_for_by_then_is_not_written_by_the_old_leader(
    story: Interleaving, endings: Mapping[Interleaving, "Future[Ending]"]
) -> None:
    """The policy is deleted while the old leader is stopped, or while its apply is on the wire; the new one has given
    back what there was when it goes on.
    """
    ending = endings[story].result()

    assert ending.verdict.stale_writes == 0
    assert ending.verdict.double_effects == 0
    assert ending.verdict.lost_intents == 0
    assert ending.verdict.leaks == ()
    assert ending.verdict.effects == UNASKED[story]
    assert ending.verdict.fences >= 1
    assert set(ending.late) == {409}


@pytest.mark.parametrize("story", [FLYING], ids=str)
def test_s5_an_apply_already_on_its_way_is_refused_once_it_is_superseded(
    story: Interleaving, endings: Mapping[Interleaving, "Future[Ending]"]
) -> None:
    ending = endings[story].result()

    assert ending.late[0] == 409
    assert ending.verdict.effects == 0
    assert ending.verdict.outcomes == ("superseded",)
    assert ending.verdict.leaks == ()


@pytest.mark.parametrize("story", [UNFENCED], ids=str)
def test_without_the_fence_the_same_apply_is_accepted_and_noticed_here(
    story: Interleaving, endings: Mapping[Interleaving, "Future[Ending]"]
) -> None:
    ending = endings[story].result()

    assert ending.late[0] == 200
    assert ending.verdict.stale_writes == 1
    assert ending.verdict.double_effects == 1
