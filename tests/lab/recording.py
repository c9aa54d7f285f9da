"""What the real HPA controller did: recorded look by look, to hold the lab's autoscaler against.

A control plane of its own whose controller looks every second where it usually looks every fifteen, with the windows
shortened alike: the rule counts looks and windows, not seconds. One HPA as nearly everybody writes it, without
`behavior`, and one with the documented default behavior written out: they differ (`max(2n, 4)` against `max(2n, n + 4)`
pods at a time).

`python -m tests.lab.recording` records both anew into `tests/lab/data/`; about two and a half minutes.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from tests.controlplane.api import Json
from tests.controlplane.audit import Effect, effects
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.external import AUTOSCALING, ExternalMetrics, Reading, autoscaler
from tests.controlplane.fixtures import started_control_plane
from tests.controlplane.provider import KUBERNETES
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads

DATA = Path(__file__).parent / "data"
CONTROLLER = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
LOOK, WINDOW, PRODUCTION_LOOK, PRODUCTION_WINDOW = 1, 20, 15, 300
"""Seconds between two looks and of the window of recommendations, here and by default."""
MANAGING = (
    f"--horizontal-pod-autoscaler-sync-period={LOOK}s",
    f"--horizontal-pod-autoscaler-downscale-stabilization={WINDOW}s",
)
POLICIES = [{"type": "Percent", "value": 100, "periodSeconds": LOOK}]
BEHAVIOR: Json = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [*POLICIES, {"type": "Pods", "value": 4, "periodSeconds": LOOK}],
    },
    "scaleDown": {"stabilizationWindowSeconds": WINDOW, "policies": POLICIES},
}
PER_POD, MAXIMUM = 100.0, 20
RAISED = 12


@dataclass(frozen=True)
class Look:
    """One look of the controller: seconds since the first, the metric (None: unknown, or not read), what came of it."""

    at: float
    metric: float | None
    minimum: int
    desired: int


@dataclass(frozen=True)
class Recording:
    """A series of looks at one HPA by AverageValue, with the times of a controller that looks every `look` seconds."""

    kubernetes: str
    behavior: str
    look: float
    window: float
    per_pod: float
    maximum: int
    begin: int
    looks: tuple[Look, ...]

    @staticmethod
    def load(path: Path) -> "Recording":
        """The recording in a file."""
        body = json.loads(path.read_text())
        return Recording(**{**body, "looks": tuple(Look(*one) for one in body["looks"])})

    def save(self, path: Path) -> None:
        """Write it down, one look a line."""
        head = {name: value for name, value in asdict(self).items() if name != "looks"}
        lines = ",\n".join(json.dumps([look.at, look.metric, look.minimum, look.desired]) for look in self.looks)
        path.write_text(f'{json.dumps(head)[:-1]}, "looks": [\n{lines}\n]}}\n')


def steps() -> Iterator[tuple[float | None, int]]:
    """What the controller is shown, look by look: the metric and the minimum.

    Steady, noise around the tolerance, a rise, a jump, above the maximum, one sample of a dip, a fall, an unknown
    metric, a raised minimum and its end, a fall to the bottom, a jump from there.
    """
    metrics: list[float | None] = [10, 60, 200, 200, 200]
    metrics += [215, 190, 205, 219, 181, 220, 180, 221, 221]
    metrics += [300, 340, 500, 800, 800, 1900, 1900, 1900, 2600, 2600, 2600, 600, 2000, 2000]
    metrics += [1200] * 5 + [900, 700, 720, 650] * 6
    metrics += [None, None, None, 700, 700]
    yield from ((metric, 1) for metric in metrics)
    yield from ((700.0, RAISED) for _ in range(6))
    ending = [700.0] * 6 + [20.0] * 24 + [1500.0] * 6 + [1540.0, 1460.0, 1660.0, 1660.0]
    yield from ((metric, 1) for metric in ending)


class _Show:
    """Shows one HPA its steps: the metric when it is asked for, the minimum just before."""

    def __init__(self, plane: ControlPlane, metrics: ExternalMetrics, namespace: str, behavior: Json | None) -> None:
        self._plane, self.namespace = plane, namespace
        self._steps = list(steps())
        self._shown = 0
        self._minimum = self._steps[0][1]
        self._lock = threading.Lock()
        Workloads(plane.api, namespace).deploy("web", "registry.test/web:v1", 1, wait=True)
        metrics.set(namespace, "load", self._next)
        body = autoscaler("web", "load", PER_POD, minimum=self._minimum, maximum=MAXIMUM, behavior=behavior)
        self.raised: list[tuple[float, int]] = []
        plane.api.create(body, namespace)

    @property
    def over(self) -> bool:
        return self._shown > len(self._steps)

    def keep_minimum(self) -> None:
        """Write the minimum that the next look is to find."""
        with self._lock:
            wanted = self._steps[min(self._shown, len(self._steps) - 1)][1]
        if wanted != self._minimum:
            patch = {"spec": {"minReplicas": wanted}}
            self._plane.api.patch(AUTOSCALING, "horizontalpodautoscalers", "web", patch, self.namespace)
            self._minimum = wanted

    def _next(self) -> float | None:
        with self._lock:
            value = self._steps[min(self._shown, len(self._steps) - 1)][0]
            self._shown += 1
            return value


def record(plane: ControlPlane, metrics: ExternalMetrics, behaviors: dict[str, Json | None]) -> list[Recording]:
    """Drive one HPA for each behavior through `steps`, all at once; what the controller made of each look."""
    since = plane.audit.mark()
    with ExitStack() as after:
        for name in behaviors:
            after.enter_context(plane.namespace(name))
        shows = [_Show(plane, metrics, name, behavior) for name, behavior in behaviors.items()]

        def over() -> bool:
            for show in shows:
                show.keep_minimum()
            return all(show.over for show in shows)

        wait_for("every step is shown", over, timeout=400, every=0.05)
        return [_recording(metrics, show, effects(plane.audit, since=since)) for show in shows]


def _recording(metrics: ExternalMetrics, show: _Show, written: Sequence[Effect]) -> Recording:
    mine = [one for one in written if one.namespace == show.namespace]
    scales = [
        (one.time.timestamp(), int(one.patch["spec"]["replicas"]))
        for one in mine
        if one.user == CONTROLLER and one.subresource == "scale"
    ]
    minimums = [
        (one.time.timestamp(), int(one.patch["spec"]["minReplicas"]))
        for one in mine
        if one.gvr.resource == "horizontalpodautoscalers" and not one.subresource
    ]
    looks = tuple(_looks(metrics.readings(show.namespace, "load"), scales, minimums))
    return Recording(KUBERNETES, show.namespace, LOOK, WINDOW, PER_POD, MAXIMUM, 1, looks)


def _looks(
    readings: Sequence[Reading], scales: Sequence[tuple[float, int]], minimums: Sequence[tuple[float, int]]
) -> Iterator[Look]:
    """Each reading with what was written before the next; a write without a reading is a look of its own."""
    unread = [at for at, _ in scales if not any(0 <= at - one.at < LOOK / 2 for one in readings)]
    values = {one.at: one.value for one in readings}
    times = sorted([*values, *unread])
    desired = 1
    for at, following in pairwise(times):
        desired = next((count for when, count in scales if at <= when < following), desired)
        minimum = [count for when, count in minimums if when <= at][-1]
        yield Look(round(at - times[0], 3), values.get(at), minimum, desired)


def main() -> None:
    """Record both behaviors anew."""
    DATA.mkdir(exist_ok=True)
    with started_control_plane(MANAGING) as plane:
        metrics = ExternalMetrics(plane)
        try:
            for made in record(plane, metrics, {"behavior-absent": None, "behavior-default": BEHAVIOR}):
                path = DATA / f"hpa-{made.behavior}.json"
                made.save(path)
                print(f"{path}: {len(made.looks)} looks")
        finally:
            metrics.close()


if __name__ == "__main__":
    main()
