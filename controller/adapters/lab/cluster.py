"""The Cluster port over the lab: what the program writes, the lab's controllers carry out.

Promises the API server's manners as every Cluster does (`tests/contracts`). Two things are the lab's own: `suppress`
swallows writes while it answers as if they were in, so that a test can see that nothing then verifies; and `mirror` is
told of every write that came through, so that a twin of the fleet can live on without some of them.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.lab.lab import Lab
from detectors.series import Workload
from remediations.cluster import Applied, ApplyResult, Gone, Unreadable, World
from remediations.plan import Step

Suppress = Callable[[Step], bool]
Mirror = Callable[[Step], None]


def nothing(step: Step) -> bool:
    """Every write comes through."""
    return False


def no_twin(step: Step) -> None:
    """There is no twin."""


class LabCluster:
    """Workloads of one lab."""

    def __init__(self, lab: Lab, *, suppress: Suppress = nothing, mirror: Mirror = no_twin) -> None:
        self._lab, self._suppress, self._mirror = lab, suppress, mirror

    async def read(self, workload: Workload) -> World | Gone | Unreadable:
        """The workload as it is now."""
        return self._lab.look(workload)

    async def apply(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """One step, locked by uid and resourceVersion."""
        if not dry_run and self._suppress(step):
            return self._swallowed(step)
        result = self._lab.apply(step, resource_version, dry_run=dry_run)
        if isinstance(result, Applied) and not dry_run:
            self._mirror(step)
        return result

    async def release(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """Values back where ours stand, and nothing of ours in `managedFields`."""
        return self._lab.release(step, resource_version, dry_run=dry_run)

    async def fence(self, workload: Workload, uid: str, epoch: int) -> ApplyResult:
        """Write the epoch, unless a newer one stands there."""
        return self._lab.fence(workload, uid, epoch)

    def _swallowed(self, step: Step) -> ApplyResult:
        world = self._lab.look(step.workload)
        return Applied(world.resource_version) if isinstance(world, World) else world
