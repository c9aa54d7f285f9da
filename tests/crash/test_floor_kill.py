"""SIGKILL around the three writes of a floor: held and given back once each, nothing lost, nothing of ours left.

These are the cells around the writes; `python -m tests.crash.matrix floor` visits every failpoint of the loop.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from controller.failpoints import KNOWN
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.postgres import Postgres
from tests.crash.beside import played
from tests.crash.cell import SETTLED_WITHIN, Cell, Result, run
from tests.crash.floors import FLOOR
from tests.crash.load import Load
from tests.crash.matrix import HOLDING

PLACES = (
    "cluster.apply.before@1",
    "cluster.apply.after@1",
    "cluster.apply.after@2",
    "cluster.release.after@1",
    "cluster.release.before@2",
    "cluster.release.after@2",
)
"""Taking over, raising, and the two writes of a release: the values, and then that nothing is ours any longer."""
CELLS = tuple(Cell(FLOOR, places) for places in (*((place,) for place in PLACES), HOLDING[-1]))

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest,
    crash_plane: ControlPlane,
    postgres: Postgres,
    crash_folder: Path,
    crash_load: Load,
) -> Iterator[Mapping[Cell, "Future[Result]"]]:
    """Every chosen cell."""
    play = partial(run, crash_plane, postgres, crash_folder, load=crash_load)
    with played(request.session.items, Cell, play, about=lambda cell: cell.remediation == FLOOR) as found:
        yield found


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_floor_is_held_and_given_back_once_wherever_its_replica_is_killed(
    cell: Cell, runs: Mapping[Cell, "Future[Result]"]
) -> None:
    result = runs[cell].result()

    assert [hit.partition(" ")[0] for hit in result.hits] == [place.partition("@")[0] for place in cell.places]
    assert result.verdict.double_effects == 0
    assert result.verdict.lost_intents == 0
    assert result.verdict.stale_writes == 0
    assert result.verdict.leaks == ()
    assert result.verdict.chain == ()
    assert result.verdict.effects == 3
    assert result.settled is None or result.settled <= SETTLED_WITHIN


@pytest.mark.parametrize("place", sorted({place for cell in CELLS for place in cell.places}))
def test_every_place_of_a_floor_is_a_failpoint(place: str) -> None:
    assert place.partition("@")[0].partition("/")[0] in KNOWN
