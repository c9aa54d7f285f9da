"""Plans: what will be written, what they rest on, and how to take it back.

Promises that a plan is a plain value: everything that it reads or writes is in it, so its digest names one exact
change to one exact object state. Writes nothing itself; see `cluster.py` for the only way to change a workload.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import JsonValue

from detectors.series import Workload

REPLICAS = "/spec/replicas"


class StepClass(StrEnum):
    """How a step may be repeated, hence how a crash during it is settled (DESIGN.md section 4)."""

    VALUE_IDEMPOTENT = "A"
    NAMED_CREATE = "B"
    PRECONDITIONED_DELETE = "C"
    OPAQUE = "D"


@dataclass(frozen=True, slots=True)
class Writes:
    """A pointer that a remediation declares to write; nothing else is ever sent."""

    api_version: str
    kind: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Held:
    """The value at a JSON pointer (RFC 6901); `present=False` says that nothing stands there."""

    pointer: str
    value: JsonValue = None
    present: bool = True


@dataclass(frozen=True, slots=True)
class PatchOp:
    """One operation of a JSON Patch (RFC 6902). `test` on uid and resourceVersion is added by the Cluster adapter."""

    op: Literal["add", "replace", "remove"]
    path: str
    value: JsonValue = None


@dataclass(frozen=True, slots=True)
class Holding:
    """How a step keeps its fields: by server-side apply under a field manager of its own (`trimtab-floor`).

    With `force` they are taken from whoever owns them; without, an owner who wants another value makes it a conflict.
    """

    manager: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One write to one object: one JSON Patch, or with `holding` one server-side apply of what its operations set.

    A step that holds names every field that its manager keeps: one left out is given up. It is taken back by
    `Cluster.release`, never by another apply. `holds` is what stands at the written pointers once it is done (class A
    is settled by comparing it), `prior` what stood there before. `timeout_seconds` bounds the write itself.
    `source_uid` is the object whose value it brings back (a ReplicaSet).
    """

    remediation: str
    workload: Workload
    uid: str
    step_class: StepClass
    patch: tuple[PatchOp, ...]
    holds: tuple[Held, ...]
    prior: tuple[Held, ...]
    timeout_seconds: float = 30.0
    source_uid: str | None = None
    holding: Holding | None = None


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """Who feels the plan: pods replaced, and the least ready pods meanwhile (None: it replaces none that are ready)."""

    pods: int
    workloads: int = 1
    ready_at_least: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered steps with what they rest on. `reads` are the values that must still hold when it is applied.

    `change` is one short clause per line for people, `diff` the exact unified diff (YAML), `not_restored` what going
    this way does not bring back. `undo` is empty exactly when `irreversible` (for automation). `ground` (`ground_of`)
    tells a new generation that is only our own fence, or an autoscaler's step, from a change; without it every new
    generation voids the plan. `sense` names the change where the writes alone do not, because they carry the time.
    """

    remediation: str
    workload: Workload
    uid: str
    generation: int | None
    reads: tuple[Held, ...]
    steps: tuple[Step, ...]
    touches: BlastRadius
    change: tuple[str, ...]
    diff: str
    undo: tuple[Step, ...] = ()
    irreversible: bool = False
    not_restored: tuple[str, ...] = ()
    ground: str = ""
    sense: str = ""
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(self))


def digest_of(plan: Plan) -> str:
    """SHA-256 over uid, generation, the values read and every write: what an approval is bound to (16 hex digits).

    resourceVersion is left out on purpose: pod deaths move it and would void every approval.
    """
    held = [[s.holding.manager, s.holding.force] for s in plan.steps if s.holding is not None]
    bound: dict[str, object] = {
        "remediation": plan.remediation,
        "workload": plan.workload.key,
        "uid": plan.uid,
        "generation": plan.generation,
        "reads": [[h.pointer, h.value, h.present] for h in plan.reads],
        "writes": [[s.workload.key, s.uid, [[o.op, o.path, o.value] for o in s.patch]] for s in plan.steps],
        **({"holding": held} if held else {}),
    }
    text = json.dumps(bound, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sense_of(plan: Plan) -> str:
    """What the plan does, whatever it rests on: a person who rejected it rejected every plan of the same sense."""
    writes = plan.sense or [[s.workload.key, [[o.op, o.path, o.value] for o in s.patch]] for s in plan.steps]
    return json.dumps([plan.remediation, plan.workload.key, writes], sort_keys=True, separators=(",", ":"))


def rests_on(plan: Plan) -> tuple[Held, ...]:
    """The values that void the plan when they change: what it reads, and the number of replicas if it writes that
    (`ground_of` leaves it out).
    """
    counts = (was for step in plan.steps for was in step.prior if was.pointer in ("/spec", REPLICAS))
    return (*plan.reads, *counts)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A remediation will not plan here: a constant reason code and one sentence for people."""

    code: str
    message: str


class Outcome(StrEnum):
    """What an action did to the service's health. Only health counts, never that the write went through."""

    EFFECTIVE = "Effective"
    INEFFECTIVE = "Ineffective"
    HARMFUL = "Harmful"
    INCONCLUSIVE = "Inconclusive"
