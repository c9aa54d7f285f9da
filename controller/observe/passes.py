"""Passes: a loop looks at one workload after the other, and each look may fail by itself.

Promises that whatever a pass raises costs its own workload that pass and no other one anything, and that it is never
silent (S33): it is logged, counted, and told once as a Kubernetes Event about the workload until a pass goes well
again. What comes by itself and goes by itself (an API server that is away) is no Event. Only `Replaced` goes through:
a leader that was replaced stops altogether.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter

from controller.errors import Retriable, TrimtabError
from controller.journal import Behind, Replaced
from controller.ports import Resources
from detectors.series import Workload

log = structlog.get_logger(__name__)

FAILED = Counter("trimtab_passes_failed", "Passes of a loop over one workload that ended in an error.", ["loop"])


@dataclass(frozen=True, slots=True)
class Passes:
    """The passes of every loop. `troubled` are those whose workload has been told of a trouble that is not over."""

    resources: Resources
    troubled: set[tuple[str, Workload]] = field(default_factory=set)

    async def over(self, loop: str, workload: Workload, work: Awaitable[object]) -> str:
        """One pass; what kept it from its end, empty when nothing did. Raises Replaced."""
        try:
            await work
        except Replaced:
            raise
        except Behind:
            return "the log moved on meanwhile"
        except Exception as error:  # noqa: BLE001 - the one place that keeps a pass from ending all the others
            return await self.failed(loop, workload, error)
        self.well(loop, workload)
        return ""

    async def failed(self, loop: str, workload: Workload, error: Exception) -> str:
        """A pass broke off: in words, which the log has in full."""
        FAILED.labels(loop).inc()
        if isinstance(error, TrimtabError):
            told = str(error)
            log.warning("pass failed", loop=loop, workload=workload.key, error=told)
        else:
            told = f"an error nobody expected, {type(error).__name__}: see the log"
            log.error("pass broke", loop=loop, workload=workload.key, exc_info=error)
        if not isinstance(error, Retriable) and (loop, workload) not in self.troubled:
            await self._tell(loop, workload, told)
        return told

    def well(self, loop: str, workload: Workload) -> None:
        """A pass came to its end: the next trouble is told anew."""
        self.troubled.discard((loop, workload))

    async def _tell(self, loop: str, workload: Workload, told: str) -> None:
        regarding = {
            "apiVersion": workload.api_version,
            "kind": workload.kind,
            "metadata": {"name": workload.name, "namespace": workload.namespace},
        }
        note = f"the {loop} loop cannot look after it: {told}"[:1000]
        try:
            await self.resources.record(regarding, "PassFailed", note, True, "trimtab")
        except Exception as error:  # noqa: BLE001 - that it could not be told must not end the round either
            log.warning("trouble not told", workload=workload.key, error=str(error))
        else:
            self.troubled.add((loop, workload))
