"""The crash matrix: every failpoint that the loop passes, for each remediation; `python -m tests.crash.matrix` runs it.

The places are not written down but found: one story per remediation is played undisturbed with every visit logged.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.external import ExternalMetrics
from tests.controlplane.fixtures import folder, started_control_plane
from tests.controlplane.postgres import Postgres
from tests.crash.beside import AT_ONCE
from tests.crash.cell import Cell, Result, run
from tests.crash.faults import FAULTS
from tests.crash.floors import FLOOR
from tests.crash.load import Load, loaded
from tests.crash.stage import prepared, staged

MOST_VISITS = 2
"""Later visits of one place come again and again with the clock; the first two differ."""

RECOVERING: tuple[tuple[str, ...], ...] = (
    ("store.commit.after/claimed", "cluster.fence.before"),
    ("store.commit.after/claimed", "cluster.fence.after"),
    ("cluster.apply.after", "store.commit.before/applied"),
    ("cluster.apply.after", "store.commit.after/applied"),
    ("cluster.apply.before", "store.commit.before/claimed"),
    ("cluster.apply.before", "store.commit.after/claimed"),
    ("cluster.apply.before", "cluster.apply.after"),
    ("store.commit.after/intended", "store.advance_epoch.after", "cluster.fence.after", "cluster.apply.after"),
)
"""Killed again while it recovers: the fence is only ever written there."""

HOLDING: tuple[tuple[str, ...], ...] = (
    ("store.commit.after/claimed", "cluster.fence.after"),
    ("cluster.apply.after", "store.commit.before/applied+floor-held"),
    ("cluster.apply.after@2", "cluster.fence.after"),
    ("cluster.release.before@2", "cluster.fence.after"),
    ("cluster.release.after", "cluster.release.before"),
    ("cluster.release.after@2", "store.commit.before/applied+floor-released"),
    ("store.commit.after/intended", "cluster.fence.after", "cluster.apply.after", "cluster.release.after"),
)
"""The same for a floor, which recovers by its own ways; it never speaks in Slack."""

CHATTING = tuple((f"chat.{call}.{side}",) for call in ("post", "update") for side in ("before", "after"))
"""These run with Slack, which the others do without."""


@dataclass(frozen=True)
class Matrix:
    """Every cell's result, and what did not get to its end."""

    results: tuple[Result, ...]
    failed: tuple[tuple[Cell, str], ...]

    @property
    def double_effects(self) -> int:
        """Effects more than intents carried out."""
        return sum(result.verdict.double_effects for result in self.results)

    @property
    def lost_intents(self) -> int:
        """Intents lost, those of stories that never ended included."""
        return sum(result.verdict.lost_intents for result in self.results) + len(self.failed)

    @property
    def stale_writes(self) -> int:
        """Writes by a replica that led no longer."""
        return sum(result.verdict.stale_writes for result in self.results)


def visited(
    plane: ControlPlane,
    postgres: Postgres,
    path: Path,
    remediation: str,
    visits: int = MOST_VISITS,
    *,
    load: Load | None = None,
) -> tuple[str, ...]:
    """Every place an undisturbed story passes, with its first visits, in order."""
    with staged(plane, postgres, remediation, path, load=load) as stage:
        replica = stage.replica().start("*=log")
        stage.play("an undisturbed story ends", lambda rows: stage.over(rows) and not stage.ledger.waiting())
        return tuple(places(replica.hit, visits))


def places(hits: Iterable[str], visits: int = MOST_VISITS) -> Iterator[str]:
    """The first visits of each place, as `place@visit`."""
    for hit in hits:
        place, visit = hit.rsplit(" ", 1)
        if int(visit) <= visits:
            yield f"{place}@{visit}"


def cells(remediation: str, found: Iterable[str]) -> tuple[Cell, ...]:
    """A remediation's cells: each place, and the deaths while recovering."""
    more = HOLDING if remediation == FLOOR else (*RECOVERING, *CHATTING)
    return tuple(Cell(remediation, one) for one in (*((place,) for place in found), *more))


def crash_matrix(
    plane: ControlPlane,
    postgres: Postgres,
    path: Path,
    remediations: Sequence[str] = tuple(FAULTS),
    visits: int = MOST_VISITS,
    only: str = "",
) -> Matrix:
    """Kill at everything; prints each result as it comes."""
    prepared(plane)
    results: list[Result] = []
    failed: list[tuple[Cell, str]] = []
    with ThreadPoolExecutor(AT_ONCE) as pool, ExitStack() as ending:
        ending.callback(pool.shutdown, wait=False, cancel_futures=True)
        load = ending.enter_context(load_of(plane, path)) if FLOOR in remediations else None
        found = pool.map(lambda name: (name, visited(plane, postgres, path, name, visits, load=load)), remediations)
        wanted = [cell for name, passed in found for cell in cells(name, passed) if re.search(only, str(cell))]
        running = {pool.submit(run, plane, postgres, path, cell, load=load): cell for cell in wanted}
        for done in as_completed(running):
            try:
                results.append(done.result())
                print(results[-1], flush=True)
            except Exception as error:  # noqa: BLE001 - one cell that breaks must not hide the others
                failed.append((running[done], str(error)))
                print(f"{running[done]} DID NOT END {error}", flush=True)
    return Matrix(tuple(results), tuple(failed))


@contextmanager
def load_of(plane: ControlPlane, path: Path) -> Iterator[Load]:
    """What floors are sized by."""
    with closing(ExternalMetrics(plane)) as metrics, loaded(path / "load", metrics) as load:
        yield load


def main(arguments: Sequence[str]) -> int:
    """Run it on servers of its own; 1 when anything was doubled, lost or stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix", description="Kill trimtab everywhere.")
    parser.add_argument("remediations", nargs="*", default=list(FAULTS), help="all without any")
    parser.add_argument("--visits", type=int, default=MOST_VISITS, help="how many visits of each place")
    parser.add_argument("--only", default="", help="a pattern that a cell must match")
    chosen = parser.parse_args(arguments)
    with ExitStack() as ending:
        plane = ending.enter_context(started_control_plane())
        path = ending.enter_context(folder("crash"))
        path.chmod(0o755)
        postgres = Postgres(path / "postgres")
        ending.callback(postgres.stop)
        matrix = crash_matrix(plane, postgres.start(), path, chosen.remediations, chosen.visits, chosen.only)
    bad = [str(result) for result in matrix.results if not result.good]
    print(f"\n{len(matrix.results)} cells, {len(matrix.failed)} without an end, {len(bad)} with a fault;")
    print(f"double {matrix.double_effects}, lost {matrix.lost_intents}, stale {matrix.stale_writes}")
    slowest = max((result.settled for result in matrix.results if result.settled is not None), default=0.0)
    print(f"slowest settling after a restart {slowest:.1f} s")
    return 1 if bad or matrix.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
