"""`python -m tests.crash.unfenced`: trimtab whose fence writes nothing, to show that the tests notice.

Only for the mutation check in `test_fencing.py`: a leader that takes over without voiding the older leader's
resourceVersion. Everything else is the program as it ships.
"""

from __future__ import annotations

from controller.__main__ import main
from controller.adapters.kubernetes.cluster import KubernetesCluster
from detectors.series import Workload
from remediations.cluster import Applied, ApplyResult


async def fence(self: KubernetesCluster, workload: Workload, uid: str, epoch: int) -> ApplyResult:
    """Say that the fence stands, and write nothing."""
    return Applied("")


if __name__ == "__main__":
    KubernetesCluster.fence = fence  # type: ignore[method-assign]  # the mutation
    main()
