"""Nobody leads: the replica was killed around a write, and meanwhile the owner writes a minimum over ours, by force."""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.audit import effects, fences
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.postgres import Postgres
from tests.crash.cell import armed
from tests.crash.fault import settled
from tests.crash.floors import FLOOR, owner_applies, shown
from tests.crash.ledger import Row
from tests.crash.load import Load
from tests.crash.minimums import Shown, Write, judge_floor, written
from tests.crash.stage import Stage, staged
from tests.crash.verdict import Verdict

THEIRS, ROOM = 5, 10
"""What they write: a floor could be eight under this maximum, and is wanted to be."""
ROUNDS = 5.0
"""Seconds in which a loop that does not respect people would have written several times over."""


@dataclass(frozen=True)
class Interregnum:
    """Killed at `place`; somebody writes before the next leader comes."""

    place: str

    def __str__(self) -> str:
        return self.place


@dataclass(frozen=True)
class Respected:
    """What came of it: `later` are the replica's writes after theirs, `last` what stands in the end."""

    verdict: Verdict
    later: tuple[Write, ...]
    last: Shown
    ended: tuple[str, ...]


def play(
    plane: ControlPlane, postgres: Postgres, folder: Path, story: Interregnum, *, load: Load | None = None
) -> Respected:
    """Play one to its end."""
    with staged(plane, postgres, FLOOR, folder, load=load) as stage:
        replica = stage.replica().start(armed(story.place))
        stage.play("it dies", lambda rows: not replica.running)
        replica.died(signal.SIGKILL)
        owner_applies(stage.workloads, THEIRS, ROOM, force=True)
        replica.start()
        stage.play("nothing of ours is left", lambda rows: gone(stage, rows), approving=False)
        time.sleep(ROUNDS)
        return _respected(stage)


def gone(stage: Stage, rows: Sequence[Row]) -> bool:
    """Whether every intent is settled and the autoscaler shows nothing of a floor."""
    last = shown(stage.workloads)
    return settled(rows) and not last.marks and not last.entries


def _respected(stage: Stage) -> Respected:
    ours = {replica.identity for replica in stage.replicas}
    changed = effects(stage.plane.audit, since=stage.mark, namespace=stage.namespace)
    fenced = fences(stage.plane.audit, since=stage.mark, namespace=stage.namespace)
    rows = stage.ledger.rows()
    writes = list(written(changed, fenced))
    theirs = max(i for i, write in enumerate(writes) if write.by not in ours)
    return Respected(
        judge_floor(ours, changed, fenced, rows, stage.ledger.claims()),
        tuple(writes[theirs + 1 :]),
        shown(stage.workloads),
        tuple(str(row.body["code"]) for row in rows if row.kind in {"floor-ended", "floor-released"}),
    )
