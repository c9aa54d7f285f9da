"""Hypothesis strategies made from the types themselves: a new field or kind is generated the day it is added."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from pydantic import JsonValue

from controller.core.budget import Spent, charges
from controller.core.confidence import Confidence, Tally, measured
from controller.core.decide import Approval
from controller.core.events import Event
from controller.core.facts import UNKNOWN, Facts, Freeze, Pause
from controller.core.policy import NEVER, OBSERVE_ONLY, Budgets, CanaryMode, Mode, Policy, ScalingMode
from controller.core.proposal import Proposal
from controller.core.routes import Licence
from detectors.series import HEALTHY, DataHealth, Problem
from remediations.guards import Finding
from remediations.plan import Plan
from tests.core.samples import DAY, limits_plan, rollback_plan

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001 - hypothesis wants naive bounds; the zone is set right after
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(0, 10_000),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    datetime: TIMES,
    timedelta: st.timedeltas(timedelta(), timedelta(days=30)),
    type(None): st.none(),
    JsonValue: JSON,
}


def of(wanted: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation. Raises TypeError for one that events have no business with."""
    if wanted in PLAIN:
        return PLAIN[wanted]
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return st.one_of(*(of(argument) for argument in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(of(arguments[0]), max_size=2).map(tuple)
        return st.tuples(*(of(argument) for argument in arguments))
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return st.dictionaries(of(arguments[0]), of(arguments[1]), max_size=3)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return st.sampled_from(wanted)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return built(wanted)
    raise TypeError(f"no strategy for {wanted!r}: add it here")


def built(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Instances of a frozen dataclass, every field generated."""
    hints = get_type_hints(cls)
    return st.deferred(
        lambda: st.builds(
            cls,
            **{
                field.name: of(hints[field.name])
                for field in dataclasses.fields(cls)
                if field.init and get_origin(hints[field.name]) is not ClassVar
            },
        )
    )


KINDS: tuple[type[Any], ...] = get_args(Event)
EVENTS: st.SearchStrategy[Event] = st.one_of(*(built(kind) for kind in KINDS))


# The gate

NOW = DAY + timedelta(hours=14)
LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
PLANS: tuple[Plan, ...] = (rollback_plan(), limits_plan())
CLEAR: Mapping[str, Any] = {
    "data": HEALTHY,
    "findings": (),
    "drift": None,
    "cleared": False,
    "touched": None,
    "pause": None,
    "freeze": None,
    "permitted": True,
    "other_critical": None,
    "observer_suspect": None,
    "fruitless": 0,
    "backoff_until": None,
    "harmed_before": None,
    "rejected_before": None,
    "store_trusted": True,
}
"""Every fact read, and nothing speaks against acting."""
AGAINST: Mapping[str, tuple[Any, ...]] = {
    "data": tuple(DataHealth(frozenset({problem})) for problem in Problem),
    "findings": tuple(
        (Finding("found", "speaks against it", lifts),) for lifts in ("nobody", "person", "time", "approval")
    ),
    "drift": ("the template has changed",),
    "cleared": (True,),
    "touched": ("mara",),
    "pause": (Pause("maintenance"),),
    "freeze": (Freeze("black-friday", LATER),),
    "permitted": (False,),
    "other_critical": ("INC-1",),
    "observer_suspect": ("half of everything looks broken",),
    "fruitless": (3, 39),
    "backoff_until": (LATER,),
    "harmed_before": ("INC-2",),
    "rejected_before": ("noor",),
    "store_trusted": (False,),
}
"""Every value of every fact that speaks against acting."""


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Any facts: clear, speaking against, or unread."""
    return Facts(**{name: draw(st.sampled_from((clear, *AGAINST[name], UNKNOWN))) for name, clear in CLEAR.items()})


@st.composite
def confidences(draw: st.DrawFn) -> Confidence:
    """What records give, and any other with lower ≤ estimate."""
    n = draw(st.integers(0, 60))
    if draw(st.booleans()):
        good, elsewhere = draw(st.integers(0, n)), draw(st.integers(0, 60))
        sure, cause = draw(st.floats(0, 1)), draw(st.floats(0, 1))
        return measured(Tally(draw(st.integers(0, elsewhere)), elsewhere), Tally(good, n), sure, cause)
    estimate = draw(st.floats(0, 1))
    lower = draw(st.floats(0, estimate))
    return Confidence(estimate, lower, n, draw(st.integers(0, n)), draw(st.floats(0, 1)), draw(st.floats(0, 1)))


THRESHOLDS = st.integers(50, 100).map(lambda percent: percent / 100) | st.just(NEVER)
APPROVERS = frozenset({"mara", "noor"})


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy that a ServicePolicy can say."""
    return Policy(
        name="shop/checkout@4",
        mode=draw(st.sampled_from(Mode)),
        scaling=draw(st.sampled_from(ScalingMode)),
        canary=draw(st.sampled_from(CanaryMode)),
        false_rollback=draw(st.sampled_from((None, 0.01))),
        automatic_above=draw(THRESHOLDS),
        review_above=draw(THRESHOLDS),
        approvers=draw(st.sampled_from((APPROVERS, frozenset()))),
        min_verified=draw(st.integers(0, 40)),
        budgets=Budgets(draw(st.integers(0, 4)), draw(st.integers(0, 4))),
    )


@st.composite
def proposals(draw: st.DrawFn, licences: tuple[Licence, ...] = tuple(Licence)) -> Proposal:
    """A plan with any confidence under any licence."""
    plan = draw(st.sampled_from(PLANS))
    return Proposal("runbook@3", "in words", 0, draw(st.sampled_from(licences)), plan, draw(confidences()))


@st.composite
def spendings(draw: st.DrawFn, policy: Policy = OBSERVE_ONLY) -> Spent:
    """Any use of the scopes of the plans; a scope may be unread."""
    scopes = {charge.scope for plan in PLANS for charge in charges(plan.workload, policy.budgets)}
    return Spent({scope: float(draw(st.integers(0, 5))) for scope in sorted(scopes) if draw(st.booleans())})


def unspent(policy: Policy = OBSERVE_ONLY) -> Spent:
    """Everything read, nothing used."""
    return Spent({charge.scope: 0.0 for plan in PLANS for charge in charges(plan.workload, policy.budgets)})


@st.composite
def approvals(draw: st.DrawFn) -> Approval | None:
    """None, or one that may be late or of another plan."""
    digest = draw(st.sampled_from([plan.digest for plan in PLANS]))
    made = Approval(digest, draw(st.sampled_from(("mara", "noor"))), draw(st.sampled_from((EARLIER, NOW, LATER))))
    return draw(st.sampled_from((None, made)))
