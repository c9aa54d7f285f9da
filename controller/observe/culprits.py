"""Culprits: the counters of single pods, asked for only of workloads with an open incident whose errors are abnormal.

Promises two queries for each of those and none for any other, and that a rollout, a preset without counters by pod, or
a server that cannot be believed leave it unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from controller.core.arms import counters
from controller.core.culprits import Culprits, culprits
from controller.core.observe import living
from controller.core.presets import Preset
from controller.errors import BadQuery
from controller.ports import Metrics, Unavailable
from detectors.series import Workload
from remediations.cluster import World
from remediations.owners import controlled_by
from remediations.templates import current_replica_set

log = structlog.get_logger(__name__)

WINDOW = timedelta(minutes=5)
"""Over how long the failures of each pod are counted."""


@dataclass(slots=True)
class Suspects:
    """What is known of each workload by now (`latest`)."""

    metrics: Metrics
    scrape: timedelta
    presets: Mapping[str, Preset]
    latest: dict[Workload, Culprits] = field(default_factory=dict)

    async def ask(self, wanted: Iterable[tuple[World, str | None]], now: datetime) -> None:
        """One round over these workloads, each with the preset that counts its requests; the others are forgotten."""
        found = {}
        for world, name in wanted:
            preset = self.presets.get(name or "")
            known = await self._of(world, preset, now) if preset is not None and preset.per_pod else None
            if known is not None:
                found[world.workload] = known
        self.latest = found

    async def _of(self, world: World, preset: Preset, now: datetime) -> Culprits | None:
        current, pods = current_replica_set(world), living(world)
        if current is None or not all(controlled_by(pod, str(current["metadata"]["uid"])) for pod in pods):
            return None
        namespace, sets = world.workload.namespace, (str(current["metadata"]["name"]),)
        begin = now - WINDOW
        try:
            asked = await self.metrics.range(preset.pod_requests(namespace, sets), begin, now, self.scrape)
            failed = await self.metrics.range(preset.pod_failures(namespace, sets), begin, now, self.scrape)
        except BadQuery as error:
            log.warning("query refused", workload=world.workload.key, error=str(error))
            return None
        if isinstance(asked, Unavailable) or isinstance(failed, Unavailable):
            return None
        names = [str(pod["metadata"]["name"]) for pod in pods]
        return culprits(counters(asked, failed, preset, namespace), names)
