"""The Remediation protocol: what can be done, planned and judged without touching anything.

Promises of an implementation (held by `conformance.check_remediation`): `plan` and `verify` are pure, writes stay
within `writes`, `undo(apply(x)) == x` at the declared pointers unless it is `irreversible`, and repeating a step is
safe in its class.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel

from detectors.series import Workload
from remediations.cluster import World
from remediations.plan import Outcome, Plan, Refusal, StepClass, Writes


@dataclass(frozen=True, slots=True)
class Right:
    """A permission a remediation needs in its namespace, as an RBAC rule."""

    group: str
    resource: str
    verbs: tuple[str, ...]


class Remediation(Protocol):
    """One kind of change and its way back."""

    @property
    def name(self) -> str:
        """The step's name in runbooks (`rollback`)."""
        ...

    @property
    def targets(self) -> frozenset[str]:
        """The kinds it can act on (`Deployment`)."""
        ...

    @property
    def step_class(self) -> StepClass:
        """How its steps may be repeated."""
        ...

    @property
    def writes(self) -> tuple[Writes, ...]:
        """Every pointer it may write."""
        ...

    @property
    def needs(self) -> tuple[Right, ...]:
        """The rights it needs in the target's namespace, besides reading."""
        ...

    @property
    def irreversible(self) -> bool:
        """True when automation must not take it back: worse afterwards goes to a person."""
        ...

    @property
    def parameters(self) -> type[BaseModel]:
        """The strict model of its parameters in a runbook step."""
        ...

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        """The exact change for this reading of the world, or why not."""
        ...

    def verify(self, plan: Plan, world: World) -> Outcome:
        """What the objects say of the plan: Effective when it is in force and the pods it made are ready."""
        ...
