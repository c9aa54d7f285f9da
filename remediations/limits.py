"""Limits: raise the memory limit of a container that is killed for memory, within bounds.

Promises: the new limit is old × factor in whole MiB (which the API server writes back unchanged), at most `max`; no
other container is touched. The request follows only where it equals the limit, so that the pod keeps its quality-of-
service class; an absent request stays absent (the API server then takes the limit for it). Undo restores both
exactly.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from detectors.series import Workload
from remediations import quantity
from remediations.base import Right
from remediations.cluster import World
from remediations.diff import unified
from remediations.ground import ground_of
from remediations.plan import Held, Outcome, Plan, Refusal, StepClass, Writes
from remediations.pods import oom_killed
from remediations.pointer import applied, held, pointer_to
from remediations.rollouts import touched, updated_pods
from remediations.steps import reverse_of, setting, step_of
from remediations.verification import rollout_outcome

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
CEILING = "256Gi"
"""The most that a runbook may name as `max`; above it a typo is likelier than a need."""

RECENT = timedelta(hours=1)
"""An older kill is no reason to act now."""


class LimitsParameters(BaseModel):
    """`limits: {factor: 1.5, max: 4Gi}`; `container` when it is not the one that was killed most."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    factor: float = Field(default=1.5, ge=1.1, le=4)
    max: str = Field(default="4Gi", max_length=20)
    container: str | None = Field(default=None, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")

    @field_validator("max")
    @classmethod
    def _bounded(cls, value: str) -> str:
        if not 0 < quantity.parse(value) <= quantity.parse(CEILING):
            raise ValueError(f"{value!r} is not between 0 and {CEILING}")
        return value


class Limits:
    """More memory for the container that runs out of it."""

    name = "limits"
    targets = frozenset(KINDS)
    step_class = StepClass.VALUE_IDEMPOTENT
    writes = tuple(
        Writes("apps/v1", kind, f"/spec/template/spec/containers/*/resources/{part}/memory")
        for kind in KINDS
        for part in ("limits", "requests")
    )
    needs = tuple(Right("apps", f"{kind.lower()}s", ("patch",)) for kind in KINDS)
    irreversible = False
    parameters = LimitsParameters

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        """The new limit for the container killed for memory, or why not."""
        if not isinstance(parameters, LimitsParameters):
            raise TypeError(f"limits takes LimitsParameters, not {type(parameters).__name__}")
        if world.object["kind"] not in KINDS:
            return Refusal("kind", f"{workload} is a {world.object['kind']}; limits needs one of {', '.join(KINDS)}")
        if world.object["spec"].get("paused"):
            return Refusal("paused", f"{workload} is paused (spec.paused): a new limit would not roll out")
        found = _container(world, parameters.container, now - RECENT)
        if isinstance(found, Refusal):
            return found
        index, container = found
        limit, request = (
            held(world.object, pointer_to("spec", "template", "spec", "containers", index, "resources", part, "memory"))
            for part in ("limits", "requests")
        )
        raised = _raised(container["name"], limit, parameters)
        if isinstance(raised, Refusal):
            return raised
        return self._plan(workload, world, container["name"], limit, request, quantity.binary(raised))

    def _plan(self, workload: Workload, world: World, name: str, limit: Held, request: Held, raised: str) -> Plan:
        guaranteed = request.present and quantity.parse(_text(request)) == quantity.parse(_text(limit))
        patch = (setting(limit, raised), *((setting(request, raised),) if guaranteed else ()))
        step = step_of(self.name, self.step_class, world, patch)
        also = " (and its request, which equals it)" if guaranteed else ""
        return Plan(
            remediation=self.name,
            workload=workload,
            uid=world.uid,
            generation=world.generation,
            reads=(limit, request, held(world.object, "/spec/paused")),
            steps=(step,),
            touches=touched(world),
            change=(f"memory limit of container {name}: {_text(limit)} → {raised}{also}",),
            diff=unified({"spec": world.object["spec"]}, {"spec": applied(world.object, patch)["spec"]}, workload.key),
            undo=(reverse_of(step),),
            ground=ground_of(world.object),
            not_restored=("what the killed containers held in memory",),
        )

    def verify(self, plan: Plan, world: World) -> Outcome:
        """Effective once every pod has the new limit and is ready; one killed for memory under it means ineffective."""
        outcome = rollout_outcome(plan, world)
        if outcome is Outcome.EFFECTIVE and any(oom_killed(pod) for pod in updated_pods(world)):
            return Outcome.INEFFECTIVE
        return outcome


def _container(world: World, named: str | None, since: datetime) -> tuple[int, dict[str, Any]] | Refusal:
    containers = world.object["spec"]["template"]["spec"]["containers"]
    kills = Counter(name for pod in world.pods for name in oom_killed(pod, since))
    by_name = {str(container["name"]): (index, container) for index, container in enumerate(containers)}
    if named is not None and named not in by_name:
        return Refusal("no-such-container", f"{world.workload} has no container {named}; it has {', '.join(by_name)}")
    candidates = [name for name in by_name if kills[name] and named in (None, name)]
    if not candidates:
        return Refusal("not-oom-killed", f"no container of {world.workload} was killed for memory in the last hour")
    return by_name[max(candidates, key=lambda name: kills[name])]


def _raised(container: str, limit: Held, parameters: LimitsParameters) -> int | Refusal:
    if not limit.present:
        return Refusal(
            "no-limit", f"container {container} has no memory limit: its node ran out of memory, not its limit"
        )
    present, bound = quantity.parse(_text(limit)), quantity.parse(parameters.max)
    wanted = quantity.up_to_mebibytes(present * Fraction(str(parameters.factor)))
    raised = min(wanted, quantity.down_to_mebibytes(bound))
    if raised <= present:
        return Refusal(
            "at-bound",
            f"the memory limit of container {container} is {_text(limit)}, the most allowed {parameters.max}",
        )
    return raised


def _text(value: Held) -> str:
    return str(value.value)
