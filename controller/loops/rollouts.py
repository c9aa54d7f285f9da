"""The rollouts loop: while two versions of a workload stand beside each other, judge the new one by the old.

Level, not edge: each round reads the cluster and the log and records what is new. Sets no pace, and promotes by doing
nothing. Acts through nobody but the incidents loop: a verdict to roll back is a fact of the workload's one incident
(`canary.regression`), which a runbook rests on and the gate decides. Promises that nothing is begun or ended on a
picture of the cluster or of the log that is not whole, and that whatever was begun is ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.core.events import Event, Judged, RolloutBegan, RolloutEnded
from controller.core.events.rollouts import Ending
from controller.core.observe import newest_first
from controller.core.policy import CanaryMode
from controller.core.rollout import Rollout, Version, ending, stream_of, told, underway
from controller.kinds import PODS, REPLICA_SETS, WORKLOADS
from controller.observe.arms import Arms
from controller.observe.cache import Cache
from controller.observe.consent import Consent
from controller.observe.rooms import Rooms
from detectors.series import Workload
from remediations.cluster import World
from remediations.owners import controller_of
from remediations.pods import instant

log = structlog.get_logger(__name__)

FALSE_ROLLBACK = 0.01
"""What is judged by where a policy names no bound: only shown then, never acted on."""
AGAIN = "deployment.kubernetes.io/revision-history"
"""On a ReplicaSet that was taken up again: its age is not that of this rollout."""


@dataclass(frozen=True, slots=True)
class Rollouts:
    """The loop, with what it needs."""

    rooms: Rooms
    cache: Cache
    arms: Arms

    async def round(self) -> None:
        """One pass over every Deployment, and over those that are gone in the middle of a rollout."""
        if not all(self.cache.shelf(kind).synced for kind in (*WORKLOADS, REPLICA_SETS, PODS, SERVICE_POLICY)):
            return
        await self.rooms.journal.catch_up()
        for workload in self.workloads():
            await self.rooms.passes.over("rollouts", workload, self.reconcile(workload))
        for workload in tuple(self.arms.latest):
            if self.open(workload) is None:
                self.arms.forget(workload)

    def workloads(self) -> set[Workload]:
        """The Deployments that are there, and those with a rollout under way by the log."""
        there = {workload for workload in self.cache.workloads() if workload.kind == "Deployment"}
        return there | {known.workload for known in self.rooms.history.rollouts.values() if known.ended is None}

    async def reconcile(self, workload: Workload) -> None:
        """One pass over one workload: ended, begun, judged."""
        consent, now = self.rooms.consents.of(workload, self.cache.labels(workload)), self.rooms.clock.now()
        if not consent.policy.known:
            return  # nor is the bound that would be judged by
        world, rollout = self.cache.world(workload, now), self.open(workload)
        wanted = consent.policy.canary is not CanaryMode.OFF
        if rollout is not None:
            how = ending(rollout, world) or (None if wanted else "switched-off")
            if how is not None:
                await self.over(workload, rollout, world, consent, how, now)
                rollout = None
        found = underway(world) if wanted and world is not None else None
        if found is None or world is None:
            return
        rollout = rollout or await self.begin(workload, *found, world, now)
        if rollout is not None and rollout.new.uid == found[0].uid and not rollout.rolled_back:
            await self.judge(workload, rollout, world, consent, now)

    def open(self, workload: Workload) -> Rollout | None:
        """The rollout that is under way by the log."""
        known = self.rooms.history.rollouts.get(workload.key)
        return known if known is not None and known.ended is None else None

    async def begin(
        self, workload: Workload, new: Version, old: Version, world: World, now: datetime
    ) -> Rollout | None:
        """Two versions have pods: from here on they are compared (again). None when it could not be recorded."""
        since = self.since(workload, new, old, newest_first(world)[0]["metadata"], now)
        names = (new.uid, new.replica_set, new.name, old.uid, old.replica_set, old.name)
        await self.record(workload, now, RolloutBegan(now, workload, since, *names))
        return self.open(workload)

    def since(
        self, workload: Workload, new: Version, old: Version, newest: Mapping[str, Any], now: datetime
    ) -> datetime:
        """What counts: all since its ReplicaSet was made, or was taken up again; since its beginning, if it was only
        switched off meanwhile.
        """
        before = self.rooms.history.rollouts.get(workload.key)
        if before is not None and before.interrupted and before.is_of(new.uid, old.uid):
            return before.since
        again = AGAIN in (newest.get("annotations") or {}) or (before is not None and before.new.uid == new.uid)
        created = instant(newest.get("creationTimestamp"))
        return now if again or created is None else min(created, now)

    async def judge(self, workload: Workload, rollout: Rollout, world: World, consent: Consent, now: datetime) -> None:
        """Judge once more, and record a verdict of another kind than the last."""
        event, last = await self.look(workload, rollout, world, consent, now), rollout.judged
        if last is None or (last.verdict, last.code) != (event.verdict, event.code):
            await self.record(workload, now, event)

    async def look(self, workload: Workload, rollout: Rollout, world: World, consent: Consent, now: datetime) -> Judged:
        """The verdict as of now."""
        preset = consent.preset.value if consent.preset is not None else None
        alpha = consent.policy.false_rollback or FALSE_ROLLBACK
        verdict = await self.arms.verdict(workload, rollout, preset, owners(world), alpha, now)
        return told(workload, rollout, verdict, now)

    async def over(
        self,
        workload: Workload,
        rollout: Rollout,
        world: World | None,
        consent: Consent,
        how: Ending,
        now: datetime,
    ) -> None:
        """It has come to its end. If the new version is what is left, everything that was counted beside the old is
        judged once more: it may have been enough to go back. That there is no baseline any more is no news.
        """
        verdict = rollout.judged.verdict if rollout.judged is not None else ""
        wanted = consent.policy.canary is not CanaryMode.OFF
        if how == "completed" and wanted and world is not None and not rollout.rolled_back:
            last = await self.look(workload, rollout, world, consent, now)
            if last.verdict == "roll-back":
                await self.record(workload, now, last)
                verdict = last.verdict
        name = rollout.new.name
        await self.record(workload, now, RolloutEnded(now, workload, rollout.new.uid, name, how, verdict))

    async def record(self, workload: Workload, now: datetime, event: Event) -> None:
        """Append to the workload's stream, if nobody else has meanwhile."""
        if await self.rooms.journal.note(stream_of(workload), event, now):
            log.info("rollout", workload=workload.key, kind=event.kind, verdict=getattr(event, "verdict", ""))
            await self.rooms.journal.catch_up()


def owners(world: World) -> Mapping[str, str]:
    """The uid of the ReplicaSet of every pod there is, by the pod's name."""
    return {str(pod["metadata"]["name"]): owner.uid for pod in world.pods if (owner := controller_of(pod)) is not None}
