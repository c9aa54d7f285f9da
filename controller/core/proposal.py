"""A proposal: a plan with the right by which it might be carried out, and what speaks for it."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.budget import Charge, charges
from controller.core.confidence import Confidence
from controller.core.policy import Budgets
from controller.core.routes import Licence
from remediations.plan import Plan


@dataclass(frozen=True, slots=True)
class Proposal:
    """`runbook` is a reference (`name@3`), `step` the index of its step; `because` are the facts that matched, for
    people.
    """

    runbook: str
    summary: str
    step: int
    licence: Licence
    plan: Plan
    confidence: Confidence
    because: tuple[str, ...] = ()
    costs: tuple[Charge, ...] | None = None

    def charges(self, budgets: Budgets) -> tuple[Charge, ...]:
        """What its intent is charged to: `costs`, or one action on the plan's workload."""
        return charges(self.plan.workload, budgets) if self.costs is None else self.costs
