"""What the lab's controllers share: pods, Deployments, nodes and autoscalers as they stand, and who has to be shown.

Mutable, and changed by the modules of the lab only. Times are seconds since the lab's beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from controller.lab.autoscaler import History, Metric, Rule
from controller.lab.behaviour import Behaviour
from controller.lab.fleet import Fleet, Phase
from controller.lab.scenario import Scenario

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated names (k8s.io/apimachinery, util/rand)."""

Object = dict[str, Any]


@dataclass(slots=True)
class Ended:
    """How a container ended last."""

    code: int
    reason: str
    started: float
    finished: float


@dataclass(slots=True, eq=False)
class Pod:
    """One pod: its place in the fleet, and what only its object tells."""

    identity: int
    place: int
    name: str
    uid: str
    owner: ReplicaSet
    created: float
    behaviour: Behaviour
    node: int = -1
    bound: float | None = None
    begun: float = 0.0
    ready_at: float = math.inf
    crash_at: float = math.inf
    restarts: int = 0
    crashes: int = 0
    ended: Ended | None = None
    backoff: float = 10.0
    ready: bool = False
    changed: float = 0.0
    deleting: float | None = None
    shown: bool = False


@dataclass(slots=True, eq=False)
class ReplicaSet:
    """One version of a Deployment; `wanted` is its spec.replicas."""

    deployment: Deployment
    object: Object
    digest: str
    behaviour: Behaviour
    created: float
    revision: int
    wanted: int = 0
    pods: list[Pod] = field(default_factory=list)

    @property
    def uid(self) -> str:
        """The object's uid."""
        return str(self.object["metadata"]["uid"])

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])

    def active(self) -> list[Pod]:
        """The pods that count: not on their way out."""
        return [pod for pod in self.pods if pod.deleting is None]


@dataclass(slots=True, eq=False)
class Deployment:
    """One service's Deployment. `object` is what the API server holds, `progressed` when it last came forward."""

    service: int
    object: Object
    replicas: int
    surge: int = 0
    unavailable: int = 0
    recreate: bool = False
    paused: bool = False
    digest: str = ""
    deadline: float = 600.0
    replica_sets: list[ReplicaSet] = field(default_factory=list)
    conditions: dict[str, Object] = field(default_factory=dict)
    progressed: float = 0.0
    counts: tuple[int, ...] = ()
    scaled_for: int | None = None
    rolling: bool = True
    observed: int = 0
    machine: bool = False
    absent: bool = False


@dataclass(slots=True, eq=False)
class Autoscaler:
    """One HPA: what it says, what its controller remembers and shows."""

    service: int
    object: Object
    rule: Rule
    cpu: int | None
    requests_per_pod: float | None
    history: History = field(default_factory=History)
    desired: int = 0
    scaled_at: float | None = None
    limited: str = ""
    read: list[Metric] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Node:
    """One node: `dead` since when, `noticed` once its status says so."""

    name: str
    cores: float
    memory: float
    object: Object
    dead: float | None = None
    noticed: bool = False
    evict_after: float = 300.0
    changed: float = 0.0


class State:
    """Everything, and the sets of what changed since it was last shown."""

    def __init__(self, scenario: Scenario, begin: datetime, drawing: np.random.Generator) -> None:
        self.scenario = scenario
        self.begin = begin
        self.t = 0.0
        self.fleet = Fleet()
        self.drawing = drawing
        self.pods: dict[int, Pod] = {}
        self.deployments: list[Deployment] = []
        self.autoscalers: list[Autoscaler] = []
        self.nodes: list[Node] = []
        self.unbound: list[Pod] = []
        self.dirty: set[int] = set()
        self.changed_pods: dict[int, Pod] = {}
        self.gone_pods: list[Pod] = []
        self.changed_nodes: set[int] = set()
        self.changed_sets: dict[str, ReplicaSet] = {}
        self.gone_sets: list[ReplicaSet] = []
        self.lost: np.ndarray[tuple[int], np.dtype[np.float64]] = np.zeros(len(scenario.services))
        self.evictions = 0
        self._identities = 0
        self._uids = 0

    def stamp(self, t: float) -> str:
        """A time as the API server writes it."""
        return (self.begin + timedelta(seconds=math.floor(t))).strftime("%Y-%m-%dT%H:%M:%SZ")

    def at(self, t: float) -> datetime:
        """A time since the beginning as an instant."""
        return self.begin + timedelta(seconds=t)

    def new_uid(self) -> str:
        """A uid that was never given."""
        self._uids += 1
        return f"00000000-0000-4000-8000-{self._uids:012d}"

    def new_identity(self) -> int:
        """A number that no other pod has."""
        self._identities += 1
        return self._identities

    def suffix(self, length: int = 5) -> str:
        """Letters for a generated name."""
        return "".join(LETTERS[index] for index in self.drawing.integers(0, len(LETTERS), length))

    def living(self) -> Iterator[Pod]:
        """Every pod, oldest first."""
        return iter(self.pods.values())

    def touch(self, pod: Pod) -> None:
        """The pod's object has to be shown, and its Deployment looked at."""
        self.changed_pods[pod.identity] = pod
        self.dirty.add(pod.owner.deployment.service)

    def set_ready(self, pod: Pod, ready: bool) -> None:
        """Its Ready condition."""
        if pod.ready != ready:
            pod.ready, pod.changed = ready, self.t
            self.fleet.changed[pod.place] = self.t

    def phase(self, pod: Pod) -> Phase:
        """Where the pod is in its life."""
        return Phase(int(self.fleet.phase[pod.place]))
