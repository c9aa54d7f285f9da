"""Readings of one target to write on: a fresh one for each attempt, and an end to them.

A write that met a conflict is attempted again on another reading. Promises that what nobody wrote (a status that moves,
our own fence) is a conflict with nobody, and that somebody who writes each time is given way to (S5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detectors.series import Workload
from remediations.cluster import Cluster, Gone, Unreadable, World
from remediations.ground import ground_of

CONFLICTS = 3
"""Conflicts with somebody's writes after which ours is given up (S5)."""
MOVES = 10
"""Conflicts of any kind after which it is given up. Most are nobody's writes: the status of a workload whose pods come
and go moves its resourceVersion every second, and that is the workload one repairs.
"""


@dataclass(slots=True)
class Readings:
    """The target as it is, one reading after the other. `foreign` counts those before which somebody wrote."""

    cluster: Cluster
    target: Workload
    taken: int = 0
    foreign: int = 0
    before: World | None = None

    async def next(self) -> World | Gone | Unreadable | None:
        """The target as it is now; None when another attempt makes no sense."""
        if self.taken == MOVES:
            return None
        self.taken += 1
        world = await self.cluster.read(self.target)
        if isinstance(world, World):
            self.foreign += self.before is not None and written(self.before) != written(world)
            self.before = world
        return None if self.foreign == CONFLICTS else world

    @property
    def why(self) -> str:
        """Why there is no further one."""
        if self.foreign:
            return f"somebody else wrote each time, {CONFLICTS} times"
        return "its status moved each time"


def written(world: World) -> tuple[str, Mapping[str, str]]:
    """What somebody may have written of the object; its status, our fence and an autoscaler's step are nobody's."""
    return ground_of(world.object), world.object["metadata"].get("labels") or {}
