"""Did it help? What an action did to the service, from evidence before and after.

Promises that only service health counts (S24): wanted replicas there, and not fewer than before unless an autoscaler
wants fewer; no symptom left; every condition of the runbook held for its time. A value that cannot be measured is never
success: it ends as Inconclusive. What goes wrong while the change itself still rolls out is the doing of the pods that
it replaces, as long as no new one is in trouble: no harm of the change (`Blame`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from controller.core.incident import Action
from remediations.plan import Outcome

WORSE_ERRORS = 0.05
"""An error share this much above the one before counts as harm (and at least twice it)."""

HARM_LASTS = timedelta(minutes=1)
"""Worse for so long is harm, where it can be undone: long enough not to be one bad reading."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the service: `held` None when it cannot be said; `worse` when it does worse than before acting;
    `rolled_out` once every pod has been of the changed template and ready.
    """

    held: bool | None
    worse: bool
    detail: str
    rolled_out: bool = False


@dataclass(frozen=True, slots=True)
class Blame:
    """What can be laid at the change's door by now: fewer ready pods, more errors."""

    ready: bool = True
    errors: bool = True


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a repair may take (`within`), how long health has to hold (`lasting`), and how long its own rollout may
    take (`rollout`, the timeout of its step).
    """

    within: timedelta
    lasting: timedelta
    rollout: timedelta = timedelta(minutes=5)

    @property
    def excused(self) -> timedelta:
        """How long a rollout under way excuses what is worse: never beyond the verdict (S25)."""
        return min(self.rollout, self.within)


def healthy(
    before: Mapping[str, JsonValue], now: Mapping[str, JsonValue], symptoms: tuple[str, ...]
) -> tuple[bool | None, str]:
    """What every repair has to reach, whatever its runbook says; with the first thing that is missing."""
    desired, ready = now.get("replicas.desired"), now.get("replicas.ready")
    wanted = before.get("replicas.desired")
    if not isinstance(desired, int) or not isinstance(ready, int):
        return None, "replicas cannot be read"
    fewer = isinstance(wanted, int) and desired < wanted and now.get("replicas.autoscaled") is not True
    if desired == 0 or fewer:
        return False, f"only {desired} replicas are wanted, {wanted} were before"
    if ready < desired:
        return False, f"{ready}/{desired} ready"
    if symptoms:
        return False, symptoms[0]
    return True, f"{ready}/{desired} ready"


def blame(action: Action, outcome: Outcome, troubled: bool, measured_from: datetime, overdue: bool) -> Blame:
    """What is worse by now because of the change.

    `outcome` is what the objects say of it, `troubled` whether a pod of the changed template fails, `measured_from` the
    beginning of the time over which the error share was measured: before the end of the rollout, the pods that are
    gone have their part in it. At the end of the step's time, or of the repair's (`overdue`), everything counts.
    """
    done = action.rolled_out_at
    if overdue or troubled or outcome in (Outcome.INEFFECTIVE, Outcome.HARMFUL):
        return Blame()
    ready = done is not None or outcome is Outcome.EFFECTIVE
    return Blame(ready=ready, errors=done is not None and measured_from >= done)


def worse(
    before: Mapping[str, JsonValue], now: Mapping[str, JsonValue], ready_at_least: int | None, by: Blame = Blame()
) -> bool:
    """True when the service does worse than before acting, and than the plan said it would, of what is blamed on it.

    Fewer ready pods are none the worse for being as many as are wanted by now.
    """
    was, became, desired = before.get("replicas.ready"), now.get("replicas.ready"), now.get("replicas.desired")
    if by.ready and isinstance(was, int) and isinstance(became, int):
        enough = [was, *(bound for bound in (ready_at_least, desired) if isinstance(bound, int))]
        if became < min(enough):
            return True
    errors, errors_now = before.get("signals.errors.value"), now.get("signals.errors.value")
    if by.errors and isinstance(errors, int | float) and isinstance(errors_now, int | float):
        return errors_now > max(2 * errors, errors + WORSE_ERRORS)
    return False


def judge(action: Action, look: Look, patience: Patience, now: datetime) -> Outcome | None:
    """The outcome so far, None while it is too early to say."""
    lasted = action.held_since is not None and now - action.held_since >= patience.lasting
    if look.held and lasted:
        return Outcome.EFFECTIVE
    lasts = min(patience.lasting, HARM_LASTS)
    if action.plan.undo and action.worse_since is not None and now - action.worse_since >= lasts:
        return Outcome.HARMFUL
    if now - action.applied_at < patience.within:
        return None
    if look.held is None:
        return Outcome.INCONCLUSIVE
    if look.worse:
        return Outcome.HARMFUL
    return Outcome.INCONCLUSIVE if look.held else Outcome.INEFFECTIVE
