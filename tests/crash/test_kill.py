"""SIGKILL where it hurts most: nothing is lost, nothing done twice, and the restarted program ends what was begun.

These are the cells around the write itself; `python -m tests.crash.matrix` visits every failpoint of the loop.
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
from tests.crash.faults import FAULTS
from tests.crash.floors import FLOOR
from tests.crash.matrix import CHATTING, RECOVERING

SIDES = ("before", "after")
WRITING = tuple(f"store.commit.{side}/{kind}" for kind in ("intended", "claimed", "applied") for side in SIDES)
CELLS = (
    *(Cell("rollback", (place,)) for place in WRITING),
    *(Cell("rollback", (place,)) for place in ("store.commit.before/answered", "store.commit.after/verified")),
    *(Cell(name, (f"cluster.apply.{side}",)) for name in FAULTS if name != FLOOR for side in SIDES),
    *(Cell("restart", places) for places in RECOVERING[:2]),
    *(Cell("rollback", places) for places in CHATTING[1::2]),
)  # fmt: skip

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, crash_plane: ControlPlane, postgres: Postgres, crash_folder: Path
) -> Iterator[Mapping[Cell, "Future[Result]"]]:
    """Every chosen cell."""
    play_one = partial(run, crash_plane, postgres, crash_folder)
    with played(request.session.items, Cell, play_one, about=lambda cell: cell.remediation != FLOOR) as found:
        yield found


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_s20_killed_there_nothing_is_lost_and_nothing_done_twice(
    cell: Cell, runs: Mapping[Cell, "Future[Result]"]
) -> None:
    result = runs[cell].result()

    assert [hit.partition(" ")[0] for hit in result.hits] == [place.partition("@")[0] for place in cell.places]
    assert result.verdict.double_effects == 0
    assert result.verdict.lost_intents == 0
    assert result.verdict.stale_writes == 0
    assert result.verdict.leaks == ()
    assert result.verdict.chain == ()
    assert result.verdict.effects == 1
    assert result.settled is None or result.settled <= SETTLED_WITHIN


@pytest.mark.parametrize("place", sorted({place for cell in CELLS for place in cell.places}))
def test_every_place_of_the_matrix_is_a_failpoint(place: str) -> None:
    assert place.partition("@")[0].partition("/")[0] in KNOWN
