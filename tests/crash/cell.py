"""One cell of the crash matrix: a remediation, and the failpoints at which its replica is killed, one after another."""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.postgres import Postgres
from tests.crash.faults import FAULTS
from tests.crash.ledger import Row, leaders, writings
from tests.crash.load import Load
from tests.crash.replica import Replica
from tests.crash.stage import Stage, staged
from tests.crash.verdict import Verdict

SETTLED_WITHIN = 30.0
"""Seconds from the restarted program's lead until every intent is settled (SAFETY.md, crash matrix). How long it takes
to start is the machine's business, and is shown beside it.
"""


@dataclass(frozen=True)
class Cell:
    """Killed at `places` in turn: a failpoint, what its commit is about, its visit (`store.commit.after/claimed@1`)."""

    remediation: str
    places: tuple[str, ...]

    @property
    def chats(self) -> bool:
        """Whether it needs Slack."""
        return any(place.startswith("chat.") for place in self.places)

    def __str__(self) -> str:
        return f"{self.remediation}:{','.join(self.places)}"


@dataclass(frozen=True)
class Result:
    """What came of it. `settled`: seconds from the last lead until the open intent was settled, `restarted` those
    from the restart; None where none was open.
    """

    cell: Cell
    hits: tuple[str, ...]
    verdict: Verdict
    settled: float | None
    restarted: float | None
    seconds: float

    @property
    def good(self) -> bool:
        """Nothing speaks against it, and all was done that the story asks for."""
        return self.verdict.spotless and self.verdict.effects == FAULTS[self.cell.remediation].effects

    def __str__(self) -> str:
        settled = "-" if self.settled is None else f"{self.settled:.1f} s ({self.restarted or 0:.0f} s)"
        found = self.verdict
        where = f"{self.cell.remediation:<9} {','.join(self.cell.places):<62}"
        return (
            f"{where} effects {found.effects} fences {found.fences} double {found.double_effects} "
            f"lost {found.lost_intents} stale {found.stale_writes} "
            f"leaks {len(found.leaks)} settled {settled} total {self.seconds:.0f} s "
            f"{'ok' if self.good else f'FAILED {found}'}"
        )


def run(plane: ControlPlane, postgres: Postgres, folder: Path, cell: Cell, *, load: Load | None = None) -> Result:
    """Play one story to its end, killed at each of the cell's places; `NeverHappened` when it does not get there."""
    began = time.monotonic()
    with staged(plane, postgres, cell.remediation, folder, chat=cell.chats, load=load) as stage:
        replica = stage.replica()
        killing = Killing(stage, replica, [armed(place) for place in cell.places])
        replica.start(killing.left.pop(0))
        stage.play(f"{replica.identity}, killed at {cell.places}, ends its story", killing.over)
        settled = after_lead(stage.ledger.rows()) if killing.settled is not None else None
        return Result(cell, replica.hit, stage.verdict(), settled, killing.settled, time.monotonic() - began)


def after_lead(rows: Sequence[Row]) -> float | None:
    """Seconds from the last lead until the last intent was settled, by the log's own times."""
    settled = [row.at for writing in writings(rows) for row in writing.settled]
    return (max(settled) - leaders(rows)[-1][0]).total_seconds() if settled else None


@dataclass
class Killing:
    """Starts the replica again whenever it has died, with the next failpoint armed, and takes the time."""

    stage: Stage
    replica: Replica
    left: list[str]
    dead: bool = False
    restarted: float = 0.0
    open_then: bool = False
    settled: float | None = None

    def over(self, rows: Sequence[Row]) -> bool:
        """Whether all deaths were died and the story is over and told."""
        if not self.replica.running:
            self._again()
            return False
        if self.open_then and not under_way(rows) and self.settled is None:
            self.settled = time.monotonic() - self.restarted
        return self.dead and not self.left and self.stage.over(rows) and not self.stage.ledger.waiting()

    def _again(self) -> None:
        self.replica.died(signal.SIGKILL)
        left_open = under_way(self.stage.ledger.rows())
        self.dead = not self.left
        self.replica.start(self.left.pop(0) if self.left else "")
        self.restarted, self.open_then, self.settled = time.monotonic(), left_open, None


def under_way(rows: Sequence[Row]) -> bool:
    """Whether an intent is open."""
    return any(writing.outcome == "open" for writing in writings(rows))


def armed(place: str) -> str:
    """`store.commit.after/claimed@2` as TRIMTAB_FAILPOINT wants it."""
    name, _, visit = place.partition("@")
    return f"{name}=kill@{visit or 1}"
