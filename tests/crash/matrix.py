"""The crash matrix: every failpoint that the loop passes, for each remediation; `python -m tests.crash.matrix` runs it.

The places are not written down but found: one story per remediation is played undisturbed with every visit logged.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.fixtures import folder, started_control_plane
from tests.controlplane.postgres import Postgres
from tests.crash.beside import AT_ONCE
from tests.crash.cell import Cell, Result, run
from tests.crash.faults import FAULTS
from tests.crash.stage import closed, prepared, staged

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
    plane: ControlPlane, postgres: Postgres, path: Path, remediation: str, visits: int = MOST_VISITS
) -> tuple[str, ...]:
    """Every place an undisturbed story passes, with its first visits, in order."""
    with staged(plane, postgres, remediation, path) as stage:
        replica = stage.replica().start("*=log")
        stage.play("an undisturbed story ends", lambda rows: closed(rows) and not stage.ledger.waiting())
        return tuple(places(replica.hit, visits))


def places(hits: Iterable[str], visits: int = MOST_VISITS) -> Iterator[str]:
    """The first visits of each place, as `place@visit`."""
    for hit in hits:
        place, visit = hit.rsplit(" ", 1)
        if int(visit) <= visits:
            yield f"{place}@{visit}"


def cells(remediation: str, found: Iterable[str]) -> tuple[Cell, ...]:
    """A remediation's cells: each place, and the deaths while recovering."""
    return tuple(Cell(remediation, one) for one in (*((place,) for place in found), *RECOVERING, *CHATTING))


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
        found = pool.map(lambda name: (name, visited(plane, postgres, path, name, visits)), remediations)
        wanted = [cell for name, passed in found for cell in cells(name, passed) if re.search(only, str(cell))]
        running = {pool.submit(run, plane, postgres, path, cell): cell for cell in wanted}
        for done in as_completed(running):
            try:
                results.append(done.result())
                print(results[-1], flush=True)
            except Exception as error:  # noqa: BLE001 - one cell that breaks must not hide the others
                failed.append((running[done], str(error)))
                print(f"{running[done]} DID NOT END {error}", flush=True)
    return Matrix(tuple(results), tuple(failed))


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
    bad = [str(result) for result in matrix.results if not result.verdict.spotless or result.verdict.effects != 1]
    print(f"\n{len(matrix.results)} cells, {len(matrix.failed)} without an end, {len(bad)} with a fault;")
    print(f"double {matrix.double_effects}, lost {matrix.lost_intents}, stale {matrix.stale_writes}")
    slowest = max((result.settled for result in matrix.results if result.settled is not None), default=0.0)
    print(f"slowest settling after a restart {slowest:.1f} s")
    return 1 if bad or matrix.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
