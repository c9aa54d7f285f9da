"""Did it help? What an action did to the service, from evidence before and after.

Promises that only service health counts (S24): wanted replicas there and not fewer than before, no symptom left,
every condition of the runbook held for its time. A value that cannot be measured is never success: it ends as
Inconclusive.
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
    """One look at the service: `held` None when it cannot be said; `worse` when it does worse than before acting."""

    held: bool | None
    worse: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a repair may take (`within`) and how long health has to hold (`lasting`)."""

    within: timedelta
    lasting: timedelta


def healthy(
    before: Mapping[str, JsonValue], now: Mapping[str, JsonValue], symptoms: tuple[str, ...]
) -> tuple[bool | None, str]:
    """What every repair has to reach, whatever its runbook says; with the first thing that is missing."""
    desired, ready = now.get("replicas.desired"), now.get("replicas.ready")
    wanted = before.get("replicas.desired")
    if not isinstance(desired, int) or not isinstance(ready, int):
        return None, "replicas cannot be read"
    if desired == 0 or (isinstance(wanted, int) and desired < wanted):
        return False, f"only {desired} replicas are wanted, {wanted} were before"
    if ready < desired:
        return False, f"{ready}/{desired} ready"
    if symptoms:
        return False, symptoms[0]
    return True, f"{ready}/{desired} ready"


def worse(before: Mapping[str, JsonValue], now: Mapping[str, JsonValue], ready_at_least: int | None) -> bool:
    """True when the service does worse than before acting and than the plan said it would."""
    was, became = before.get("replicas.ready"), now.get("replicas.ready")
    if (
        isinstance(was, int)
        and isinstance(became, int)
        and became < min(was, was if ready_at_least is None else ready_at_least)
    ):
        return True
    errors, errors_now = before.get("signals.errors.value"), now.get("signals.errors.value")
    if isinstance(errors, int | float) and isinstance(errors_now, int | float):
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
