"""A minimum that people write while nobody leads is theirs: the next leader leaves it, and takes our marks away."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.postgres import Postgres
from tests.crash.beside import played
from tests.crash.interregnum import THEIRS, Interregnum, Respected, play
from tests.crash.load import Load

TAKEN_BACK: Mapping[Interregnum, str] = {
    Interregnum("cluster.apply.after@1"): "TakenBack",
    Interregnum("cluster.release.before@1"): "NotAsked",
}
"""Where it died, and why the floor is over. At the first the log does not know yet that the field was taken."""

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest,
    crash_plane: ControlPlane,
    postgres: Postgres,
    crash_folder: Path,
    crash_load: Load,
) -> Iterator[Mapping[Interregnum, "Future[Respected]"]]:
    """Every chosen story."""
    play_one = partial(play, crash_plane, postgres, crash_folder, load=crash_load)
    with played(request.session.items, Interregnum, play_one) as found:
        yield found


@pytest.mark.parametrize("story", TAKEN_BACK, ids=str)
def test_s16_a_minimum_written_while_nobody_leads_is_left_alone(
    story: Interregnum, ends: Mapping[Interregnum, "Future[Respected]"]
) -> None:
    end = ends[story].result()

    assert end.last.least == THEIRS
    assert {write.after.least for write in end.later} == {THEIRS}
    assert end.ended[0] == TAKEN_BACK[story]
    assert end.verdict.double_effects == 0
    assert end.verdict.lost_intents == 0
    assert end.verdict.leaks == ()
