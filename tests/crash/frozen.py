"""One interleaving: the leader is stopped, another takes over and decides, the first goes on."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.controlplane.audit import Mark
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.postgres import Postgres
from tests.controlplane.waiting import wait_for
from tests.crash.floors import unask
from tests.crash.ledger import Row, leaders, writings
from tests.crash.load import Load
from tests.crash.replica import Replica
from tests.crash.stage import TRIMTAB, Stage, staged
from tests.crash.verdict import Verdict, writer
from tests.crash.wire import holding
from tests.layout import ROOT

UNFENCED = (sys.executable, "-m", "tests.crash.unfenced", "run")
IN_FLIGHT = "in flight"
"""Stopped when the write has left the process and has not arrived."""


@dataclass(frozen=True)
class Interleaving:
    """Stopped at `place` (`cluster.apply.before@2`: at the second visit). Before the other leader decides, the kill
    switch is thrown (`paused`) or the policy is deleted (`unasked`).
    """

    remediation: str
    place: str
    paused: bool = False
    fenced: bool = True
    unasked: bool = False

    @property
    def visit(self) -> int:
        """Which visit of the place."""
        return int(self.place.partition("@")[2] or 1)

    @property
    def failpoint(self) -> str:
        """The place itself."""
        return self.place.partition("@")[0]

    def __str__(self) -> str:
        more = ":superseded" * self.paused + ":unasked" * self.unasked + ":unfenced" * (not self.fenced)
        return f"{self.remediation}:{self.place}{more}"


@dataclass(frozen=True)
class Ending:
    """What came of it. `late` are the answers to the old leader's writes that arrived once it was continued."""

    verdict: Verdict
    late: tuple[int, ...]


def play(
    plane: ControlPlane, postgres: Postgres, folder: Path, story: Interleaving, *, load: Load | None = None
) -> Ending:
    """Play one interleaving to its end."""
    argv = TRIMTAB if story.fenced else UNFENCED
    env: Mapping[str, str] = {} if story.fenced else {"PYTHONPATH": str(ROOT)}
    with staged(plane, postgres, story.remediation, folder, load=load) as stage, ExitStack() as ending:
        goes_on = _in_flight if story.failpoint == IN_FLIGHT else _at_failpoint
        old, again = goes_on(stage, story, argv, env, ending)
        if story.paused:
            stage.pause()
        if story.unasked:
            unask(stage.workloads)
        new = stage.replica(argv, **env).start()
        stage.play("another leads", lambda rows: led(rows, new))
        done = stage.over if story.unasked else partial(decided, paused=story.paused)
        stage.play("it has decided", done)
        mark = plane.audit.mark()
        again()
        wait_for("the old leader knows", lambda: old.entries("leadership lost"), timeout=90)
        if not story.paused:
            stage.play("the story ends", stage.over)
        return Ending(stage.verdict(), tuple(late_writes(stage, old, mark)))


def _at_failpoint(
    stage: Stage, story: Interleaving, argv: Sequence[str], env: Mapping[str, str], ending: ExitStack
) -> tuple[Replica, Callable[[], None]]:
    """The old leader, stopped by its failpoint, and how to continue it."""
    old = stage.replica(argv, **env).start(f"{story.failpoint}=stop@{story.visit}")
    stage.play("the leader is stopped", lambda rows: bool(old.hit))
    return old, old.process.thaw


def _in_flight(
    stage: Stage, story: Interleaving, argv: Sequence[str], env: Mapping[str, str], ending: ExitStack
) -> tuple[Replica, Callable[[], None]]:
    """The old leader, stopped when its write is on its way, and how to let that arrive and continue it."""
    held = ending.enter_context(holding(stage.plane, stage.folder, stage.next_identity, story.visit))
    old = stage.replica(argv, **{**env, "TRIMTAB_KUBECONFIG": str(held.kubeconfig)}).start()
    stage.play("its write is on its way", lambda rows: held.held)
    old.process.freeze()

    def again() -> None:
        mark = stage.plane.audit.mark()
        held.release()
        wait_for("the late write has its answer", lambda: late_writes(stage, old, mark))
        old.process.thaw()

    return old, again


def late_writes(stage: Stage, old: Replica, mark: Mark) -> list[int]:
    """The API server's answers to writes of the old leader since `mark`."""
    return [
        event.code
        for event in stage.plane.audit.settled(mark)
        if writer(event.user) == old.identity and event.namespace == stage.namespace and event.judged
    ]


def led(rows: Sequence[Row], replica: Replica) -> bool:
    """Whether the replica has begun to lead."""
    return replica.identity in [who for _, who in leaders(rows)]


def decided(rows: Sequence[Row], *, paused: bool) -> bool:
    """Whether the new leader is done with what it found: no open intent, or none that it would begin."""
    found = writings(rows)
    return all(writing.outcome != "open" for writing in found) and (paused or bool(found))
