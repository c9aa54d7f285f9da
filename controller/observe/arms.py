"""Arms: the counters of the pods of a rollout's two versions, asked for while both have pods, and judged.

Promises that only a workload with a rollout under way is asked about, that each look asks for everything since the
rollout began (what came before it is asked for once), that a restart loses nothing, and that what the server cannot be
believed is `CannotKnow`: never promoted, never rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from controller.core.arms import alone, evidence_of
from controller.core.presets import PRESETS, Preset
from controller.core.rollout import Rollout
from controller.errors import BadQuery
from controller.observe.fleet import Pool
from controller.ports import Metrics, Paths, Unavailable
from detectors.base import Judge
from detectors.canary.evidence import Arm, Evidence
from detectors.canary.verdict import Sequential
from detectors.results import CannotKnow, Unknowable, Verdict
from detectors.series import Workload

log = structlog.get_logger(__name__)

MOST_LOOKS = 240
"""Looks of one rollout; one that lasts longer is looked at at twice the step, and so on."""
BEFORE = 120
"""Looks before it, at the old version alone: what tells its noise from a regression."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is given."""

    judge: Judge
    evidence: Evidence
    alpha: float


def judged(task: Task) -> Verdict:
    """One judgement, in a worker."""
    return task.judge.judge(task.evidence, task.alpha)


@dataclass(frozen=True, slots=True)
class Alone:
    """What an old version counted alone, and for which beginning, step and preset that was asked."""

    about: tuple[datetime, timedelta, str]
    arm: Arm


@dataclass(slots=True)
class Arms:
    """Asks and judges. `latest` is the newest verdict of every rollout under way, `before` what its old version had
    counted alone; `metrics` None: no Prometheus.
    """

    metrics: Metrics | None
    workers: Pool
    scrape: timedelta
    presets: Mapping[str, Preset] = field(default_factory=lambda: PRESETS)
    judge: Judge = field(default_factory=Sequential)
    latest: dict[Workload, Verdict] = field(default_factory=dict)
    before: dict[Workload, Alone] = field(default_factory=dict)

    def forget(self, workload: Workload) -> None:
        """Its rollout is over."""
        self.latest.pop(workload, None)
        self.before.pop(workload, None)

    async def verdict(
        self,
        workload: Workload,
        rollout: Rollout,
        preset: str | None,
        owners: Mapping[str, str],
        alpha: float,
        now: datetime,
    ) -> Verdict:
        """The verdict on everything the two versions have counted until now."""
        found = await self._verdict(workload, rollout, preset, owners, alpha, now)
        self.latest[workload] = found
        return found

    async def _verdict(
        self,
        workload: Workload,
        rollout: Rollout,
        preset: str | None,
        owners: Mapping[str, str],
        alpha: float,
        now: datetime,
    ) -> Verdict:
        known = self.presets[preset] if preset is not None else None
        if self.metrics is None or known is None or not known.per_pod:
            return uncounted(self.metrics is None, preset)
        step = step_of(now - rollout.since, self.scrape)
        end = rollout.since + ((now - rollout.since) // step) * step
        try:
            asked = await self._ask(self.metrics, known, rollout, rollout.since, end, step)
        except BadQuery as error:
            log.warning("query refused", workload=workload.key, error=str(error))
            return CannotKnow(Unknowable.BAD_DATA, f"the server refuses the query: {error}", "a preset that fits it")
        if isinstance(asked, Unavailable):
            return CannotKnow(Unknowable.BAD_DATA, f"no answer: {asked.reason}", "a metrics server that answers")
        evidence = evidence_of(*asked, known, workload.namespace, rollout.new, rollout.old, owners)
        evidence = replace(evidence, before=await self._alone(self.metrics, known, rollout, owners, step))
        return await self.workers.run(judged, Task(self.judge, evidence, alpha))

    async def _alone(
        self, metrics: Metrics, preset: Preset, rollout: Rollout, owners: Mapping[str, str], step: timedelta
    ) -> Arm | None:
        """What the old version counted before the rollout; None where that is not known (yet)."""
        about = (rollout.since, step, preset.name)
        kept = self.before.get(rollout.workload)
        if kept is not None and kept.about == about:
            return kept.arm
        try:
            asked = await self._ask(metrics, preset, rollout, rollout.since - BEFORE * step, rollout.since, step)
        except BadQuery as error:
            log.warning("query refused", workload=rollout.workload.key, error=str(error))
            return None
        if isinstance(asked, Unavailable):
            return None
        arm = alone(*asked, preset, rollout.workload.namespace, rollout.old, owners)
        if arm is not None:
            self.before[rollout.workload] = Alone(about, arm)
        return arm

    async def _ask(
        self, metrics: Metrics, preset: Preset, rollout: Rollout, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Paths, Paths] | Unavailable:
        """Both counters of both versions' pods over some time, on one grid."""
        namespace, sets = rollout.workload.namespace, (rollout.new.replica_set, rollout.old.replica_set)
        requests = await metrics.range(preset.pod_requests(namespace, sets), start, end, step)
        if isinstance(requests, Unavailable):
            return requests
        failures = await metrics.range(preset.pod_failures(namespace, sets), start, end, step)
        return failures if isinstance(failures, Unavailable) else (requests, failures)


def step_of(lasting: timedelta, scrape: timedelta) -> timedelta:
    """One scrape, doubled until the looks are few enough."""
    step = scrape
    while lasting > MOST_LOOKS * step:
        step *= 2
    return step


def uncounted(without: bool, preset: str | None) -> CannotKnow:
    """Why nobody counts the pods' requests."""
    if without:
        detail = "no Prometheus is configured"
    elif preset is None:
        detail = "no preset is named, and queries of one's own know no pods"
    else:
        detail = f"preset {preset} does not tell the requests of single pods apart"
    named = ", ".join(sorted(name for name, one in PRESETS.items() if one.per_pod))
    return CannotKnow(Unknowable.NO_COUNTERS, detail, f"metrics.preset with counters by pod: {named}")
