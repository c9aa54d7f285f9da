"""A stage whose rollouts take their time, with counters of every pod: what the rollouts loop is tried on.

One pod is replaced in each `every`-th tick. Every pod serves its part of the load and fails as the tag of its image
says: `…-errors` a fifth, anything else `normal`. Counters are computed from the pods as they were, so that they are
there after a pod is gone, and nothing about them is random but by `seed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.core.events import Event, Judged, RolloutBegan, RolloutEnded
from controller.core.presets import PRESETS
from detectors.series import Workload
from remediations.cluster import World
from remediations.owners import controller_of
from remediations.pods import ready
from tests.loops.stage import SCRAPE, Stage

RPS = 200.0
BAD = "registry.test/shop:v42-errors"
GOOD = "registry.test/shop:v42"


@dataclass
class Counter:
    """What one pod has counted: (time, requests, failures), growing."""

    replica_set: str
    seen: list[tuple[datetime, float, float]] = field(default_factory=list)

    def at(self, at: datetime) -> tuple[float, float] | None:
        """The newest sample at this time; None before the first and two scrapes after the last."""
        known = [sample for sample in self.seen if sample[0] <= at]
        if not known or at - known[-1][0] > SCRAPE:
            return None
        return known[-1][1:]


class Canaried(Stage):
    """A service whose versions stand beside each other for some minutes."""

    def __init__(
        self, *, canary: str = "Rollback", mode: str = "Observe", bound: str | None = "1%", **more: Any
    ) -> None:
        self.counters: dict[str, Counter] = {}
        self.normal, self.seed = 0.002, np.random.default_rng(7)
        self.every, self.ticks = 3, 0
        self.deaf: Callable[[str], bool] = lambda _: False
        self.unasked: Callable[[str], bool] = lambda _: False
        self.slow = False
        super().__init__(mode="", settling=False, **more)
        self.cluster.settle()
        self.consent(canary, mode, bound)

    async def __aenter__(self) -> Canaried:
        await self.lead()
        return self

    def consent(self, canary: str, mode: str, bound: str | None) -> None:
        """The service's policy, in place of any before."""
        self.objects.remove(SERVICE_POLICY, "shop", "checkout")
        spec = {
            "target": {"kind": "Deployment", "name": "checkout"},
            "metrics": {"preset": "istio"},
            "canary": {"mode": canary, **({"falseRollback": bound} if bound else {})},
            "remediation": {"mode": mode, "automaticAbove": 90, "reviewAbove": 70},
        }
        stamped = {"name": "checkout", "namespace": "shop", "creationTimestamp": self.clock.now().isoformat()}
        self.objects.add(SERVICE_POLICY, {"metadata": stamped, "spec": spec})

    def work(self) -> None:
        """Slowly: one look of the controllers each `every` ticks while a rollout is under way."""
        self.ticks += 1
        if not self.slow:
            self.cluster.settle()
        elif self.ticks % self.every == 0:
            self.cluster.step()

    def measure(self) -> None:
        """Count what was served since the last time, by pod."""
        super().measure()
        world = self.cluster.look(self.checkout)
        if not isinstance(world, World):
            return
        serving = [pod for pod in world.pods if ready(pod)]
        now = self.clock.now()
        for pod in serving:
            name, owner = str(pod["metadata"]["name"]), controller_of(pod)
            assert owner is not None
            counter = self.counters.setdefault(name, Counter(owner.name))
            since, asked, failed = counter.seen[-1] if counter.seen else (now, 0.0, 0.0)
            image = str(pod["spec"]["containers"][0]["image"])
            more = 0.0 if self.unasked(image) else RPS / len(serving) * (now - since).total_seconds()
            share = 0.2 if image.endswith("-errors") else self.normal
            if not self.deaf(image):
                counter.seen.append((now, asked + more, failed + float(self.seed.binomial(round(more), share))))
        self.answer(world)

    def answer(self, world: World) -> None:
        """Program the queries of every pair of ReplicaSets there can be, in either order."""
        names = [str(one["metadata"]["name"]) for one in world.replica_sets]
        preset = PRESETS["istio"]
        for new in names:
            for old in names:
                if new != old:
                    self.prometheus.program(preset.pod_requests("shop", (new, old)), self.counted(0, {new, old}))
                    self.prometheus.program(preset.pod_failures("shop", (new, old)), self.counted(1, {new, old}))

    def counted(self, which: int, sets: set[str]) -> Callable[[datetime], Iterable[tuple[Mapping[str, str], float]]]:
        """What the server answers: the counters of these ReplicaSets' pods."""

        def at(when: datetime) -> Iterable[tuple[Mapping[str, str], float]]:
            for pod, counter in self.counters.items():
                sample = counter.at(when)
                if counter.replica_set in sets and sample is not None:
                    yield {"namespace": "shop", "pod": pod}, sample[which]

        return at

    def begin(self, image: str) -> None:
        """Somebody rolls out, and it takes a while."""
        self.slow = True
        self.roll(image)

    def share(self, workload: Workload, at: datetime) -> float:
        """As the pods that serve fail now, whoever is missing; calm in the past."""
        wobble = 0.002 * (1 + 0.3 * ((at.timestamp() * 7919) % 97) / 97)
        world = self.cluster.look(self.checkout)
        if at < self.clock.now() - timedelta(minutes=1) or not isinstance(world, World):
            return wobble
        images = [str(pod["spec"]["containers"][0]["image"]) for pod in world.pods if ready(pod)]
        return wobble + 0.2 * sum(image.endswith("-errors") for image in images) / max(1, len(images))

    async def rollout(self) -> list[Event]:
        """What the rollout's own stream tells."""
        rows = await self.store.follow(0, 100_000)
        return [row.event for row in rows if row.stream == f"rollout:{self.checkout.key}"]

    async def verdicts(self) -> list[str]:
        """The kinds of verdict, in order."""
        return [event.verdict for event in await self.rollout() if isinstance(event, Judged)]

    async def kinds(self) -> list[type]:
        """The kinds of events, without the verdicts between."""
        kept = (RolloutBegan, RolloutEnded)
        return [type(event) for event in await self.rollout() if isinstance(event, kept)]
