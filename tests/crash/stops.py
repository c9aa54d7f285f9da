"""`python -m tests.crash.stops [PATTERN]`: what else can happen to the leader of a floor around its writes.

It is stopped, replaced and continued; the same with the policy deleted meanwhile; it is killed, and before the next one
leads the owner writes a minimum over ours.
"""

import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack

from tests.controlplane.fixtures import folder, started_control_plane
from tests.controlplane.postgres import Postgres
from tests.crash import frozen, interregnum
from tests.crash.beside import AT_ONCE
from tests.crash.floors import FLOOR
from tests.crash.frozen import IN_FLIGHT, Ending, Interleaving
from tests.crash.interregnum import THEIRS, Interregnum, Respected
from tests.crash.matrix import load_of
from tests.crash.stage import prepared

SIDES = ("before", "after")


def around(*steps: str) -> tuple[str, ...]:
    """Both sides of each call, or of each commit of that kind, at that visit."""
    return tuple(place(step, side) for step in steps for side in SIDES)


def place(step: str, side: str) -> str:
    """The failpoint's name."""
    name, _, visit = step.partition("@")
    return f"cluster.{name}.{side}@{visit}" if name in {"apply", "release"} else f"store.commit.{side}/{step}"


TAKING = around("intended@1", "claimed@1", "apply@1", "applied+floor-held@1")
RAISING = around("intended@2", "claimed@2", "apply@2", "applied+floor-held@2")
RELEASING = around("intended@3", "claimed@3", "release@1", "release@2", "applied+floor-released@1")
WRITTEN = TAKING[TAKING.index("cluster.apply.after@1") :]

Story = Interleaving | Interregnum
STORIES: tuple[Story, ...] = (
    *(Interleaving(FLOOR, place) for place in (*TAKING, *RAISING, *RELEASING)),
    *(Interleaving(FLOOR, place, unasked=True) for place in (*TAKING[1:], *RAISING)),
    *(Interleaving(FLOOR, f"{IN_FLIGHT}@{nth}", unasked=True) for nth in (1, 2)),
    *(Interregnum(place) for place in (*WRITTEN, *RAISING, *RELEASING)),
)


def fault_of(story: Story, end: Ending | Respected) -> str:
    """What speaks against this end; empty when nothing does."""
    verdict = end.verdict
    told = [] if verdict.spotless else [str(verdict)]
    match story, end:
        case Interleaving(unasked=True), Ending(late=late) if not set(late) <= {409}:
            told.append(f"answers to the old leader: {late}")
        case Interleaving(unasked=False), _ if verdict.effects != 3:
            told.append(f"{verdict.effects} effects: {verdict}")
        case _, Respected() if end.last.least != THEIRS or any(one.after.least != THEIRS for one in end.later):
            told.append(f"overwrote what people wrote: {end}")
        case _:
            pass
    return "; ".join(told)


def main(arguments: Sequence[str]) -> int:
    """Play them on servers of their own; 1 when anything speaks against one."""
    chosen = [story for story in STORIES if re.search(arguments[0] if arguments else "", named(story))]
    bad = 0
    with started_control_plane() as plane, folder("crash") as path, ExitStack() as ending:
        path.chmod(0o755)
        postgres = Postgres(path / "postgres")
        ending.callback(postgres.stop)
        postgres.start()
        prepared(plane)
        load = ending.enter_context(load_of(plane, path))
        pool = ending.enter_context(ThreadPoolExecutor(AT_ONCE))

        def played(story: Story) -> Ending | Respected:
            if isinstance(story, Interleaving):
                return frozen.play(plane, postgres, path, story, load=load)
            return interregnum.play(plane, postgres, path, story, load=load)

        running = {pool.submit(played, story): story for story in chosen}
        for done in as_completed(running):
            story = running[done]
            try:
                fault = fault_of(story, done.result())
            except Exception as error:  # noqa: BLE001 - one story that breaks must not hide the others
                fault = f"DID NOT END {error}"
            bad += bool(fault)
            print(f"{named(story):<72} {fault or 'ok'}", flush=True)
    print(f"\n{len(chosen)} stories, {bad} with a fault")
    return 1 if bad else 0


def named(story: Story) -> str:
    """With what happens in it."""
    return f"{'stopped' if isinstance(story, Interleaving) else 'killed, then taken back'} {story}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
