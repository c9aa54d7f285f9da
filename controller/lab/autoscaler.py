"""The HorizontalPodAutoscaler's rule, as its controller computes it: one look, one answer.

Promises the arithmetic of kubernetes/kubernetes v1.36, pkg/controller/podautoscaler (`horizontal.go`,
`replica_calculator.go`): tolerance, pods that are unready or miss a metric, the stabilisation window and the scaling
policies. Pure: what happened before is a value (`History`) that goes in and comes out. Times are seconds on any clock.

A window only ever asks for the greatest or least recommendation in it, so the newest time of each value is all that is
kept. What is made anew at every look is a named tuple, because a week of twenty services looks 800,000 times.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, assert_never

SYNC_SECONDS = 15.0
TOLERANCE = 0.1
DOWNSCALE_WINDOW = 300.0
CPU_INITIALIZATION = 300.0
INITIAL_READINESS_DELAY = 30.0
LEGACY_UP_FACTOR, LEGACY_UP_LEAST = 2, 4
"""Without `behavior`, one look doubles the replicas at most, or goes to four."""


@dataclass(frozen=True, slots=True)
class Policy:
    """At most so many pods, or so many percent, within a period."""

    kind: Literal["Pods", "Percent"]
    value: int
    period: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction: how long recommendations are held back, and how fast it may go."""

    policies: tuple[Policy, ...]
    window: float = 0.0
    select: Literal["Max", "Min", "Disabled"] = "Max"


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions."""

    up: Rules
    down: Rules


DEFAULT_BEHAVIOR = Behavior(
    up=Rules((Policy("Pods", 4, 15.0), Policy("Percent", 100, 15.0))),
    down=Rules((Policy("Percent", 100, 15.0),), window=DOWNSCALE_WINDOW),
)
"""What the API fills in once a behavior is given: up by max(100 %, 4 pods) in 15 s, down freely after 300 s."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an HPA says. `behavior` None: as when the field is left out. `window` is the controller's own flag."""

    minimum: int
    maximum: int
    behavior: Behavior | None = None
    tolerance: float = TOLERANCE
    window: float = DOWNSCALE_WINDOW


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod as the controller sees it; usage and request in millicores, `usage` None when there is no sample.

    `ready` None: no such condition yet. `changed_at` is when that condition last changed.
    """

    phase: Literal["Pending", "Running", "Failed", "Succeeded"]
    request: int
    usage: int | None = None
    deleting: bool = False
    ready: bool | None = None
    started_at: float | None = None
    changed_at: float = 0.0
    sampled_at: float = 0.0
    sample_window: float = 30.0


class Group(NamedTuple):
    """Pods of one sort taken together: how many, what they ask for and what they use (millicores)."""

    pods: int = 0
    request: int = 0
    usage: int = 0


class Groups(NamedTuple):
    """The pods of one workload, sorted as `groupPods` does; ignored ones are left out."""

    ready: Group = Group()
    unready: Group = Group()
    missing: Group = Group()


@dataclass(frozen=True, slots=True)
class Utilization:
    """CPU utilisation against a target in percent of the requests."""

    target: int
    pods: Groups


@dataclass(frozen=True, slots=True)
class AverageValue:
    """A metric's total against a target per pod, in the same unit; `pods` is the scale's status."""

    target: float
    total: float
    pods: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A metric that could not be read."""

    reason: str


Metric: TypeAlias = Utilization | AverageValue | Unknown


@dataclass(frozen=True, slots=True)
class Change:
    """A change of scale that counts against the policies."""

    at: float
    pods: int


class History(NamedTuple):
    """What the controller remembers of one HPA: (recommendation, newest time) and its own changes of scale."""

    recommendations: tuple[tuple[int, float], ...] = ()
    ups: tuple[Change, ...] = ()
    downs: tuple[Change, ...] = ()


class Answer(NamedTuple):
    """What one look comes to. `recommended` is the metrics' own answer (None: none was asked or none is known)."""

    desired: int
    recommended: int | None
    history: History


def look(rule: Rule, current: int, metrics: Sequence[Metric], history: History, now: float) -> Answer:
    """One look of the controller at a workload whose scale says `current` replicas (`reconcileAutoscaler`)."""
    return answered(rule, current, recommendation(rule, current, metrics), history, now)


def answered(rule: Rule, current: int, recommended: int | None, history: History, now: float) -> Answer:
    """The rest of a look, once the metrics are read; outside of the bounds they are not asked."""
    if not history.recommendations:
        history = History(((current, now),), history.ups, history.downs)
    if current == 0 and rule.minimum != 0:
        return Answer(0, None, history)
    if current > rule.maximum:
        return _scaled(rule, current, rule.maximum, None, history, now)
    if current < rule.minimum:
        return _scaled(rule, current, rule.minimum, None, history, now)
    if recommended is None:
        return Answer(current, None, history)
    behavior, longest = rule.behavior, rule.window
    if behavior is None:
        held = _stabilised(rule, recommended, history, now)
        desired = _converted(rule, current, held)
    else:
        held = _stabilised_by(behavior, current, recommended, history, now)
        desired = _limited(rule, behavior, current, held, history, now)
        longest = max(longest, behavior.up.window, behavior.down.window)
    noted = _noted(history.recommendations, recommended, now - longest, now)
    return _scaled(rule, current, desired, recommended, History(noted, history.ups, history.downs), now)


def recommendation(rule: Rule, current: int, metrics: Sequence[Metric]) -> int | None:
    """The greatest proposal of the metrics; None when none is known, or one is not and the others would scale down."""
    proposals = [wanted for metric in metrics if (wanted := _proposed(rule, current, metric)) is not None]
    if not proposals or (len(proposals) < len(metrics) and max(proposals) < current):
        return None
    return max(proposals)


def _proposed(rule: Rule, current: int, metric: Metric) -> int | None:
    match metric:
        case Utilization(target, pods):
            return by_utilization(pods, target, current, rule.tolerance)
        case AverageValue(target, total, pods):
            return by_average(total, target, pods, rule.tolerance)
        case Unknown():
            return None
        case _:
            assert_never(metric)


def by_average(total: float, target: float, pods: int, tolerance: float = TOLERANCE) -> int:
    """⌈total / target⌉ unless the average per pod is within the tolerance (`GetExternalPerPodMetricReplicas`)."""
    ratio = total / (target * pods) if pods else math.inf
    return pods if _within(ratio, tolerance) else math.ceil(total / target)


def by_utilization(pods: Groups, target: int, current: int, tolerance: float = TOLERANCE) -> int | None:
    """Replicas for a utilisation target (`GetResourceReplicas`); None when no pod that counts has a sample.

    On the way up pods that are unready or miss a sample count as idle, on the way down those that miss one count as
    fully used; an answer that would turn the direction round, or lie within the tolerance, is no change.
    """
    ready, unready, missing = pods.ready, pods.unready, pods.missing
    if not ready.pods or not ready.request:
        return None
    ratio = _utilization_ratio(ready.usage, ready.request, target)
    rising = bool(unready.pods) and ratio > 1.0
    if not rising and not missing.pods:
        return current if _within(ratio, tolerance) else math.ceil(ratio * ready.pods)
    usage, request, count = ready.usage, ready.request, ready.pods
    if missing.pods and ratio != 1.0:
        request, count = request + missing.request, count + missing.pods
        if ratio < 1.0:
            usage += missing.request * max(100, target) // 100
    if rising:
        request, count = request + unready.request, count + unready.pods
    again = _utilization_ratio(usage, request, target)
    if _within(again, tolerance) or (ratio < 1.0 < again) or (again < 1.0 < ratio):
        return current
    wanted = math.ceil(again * count)
    turned = (again < 1.0 and wanted > current) or (again > 1.0 and wanted < current)
    return current if turned else wanted


def grouped(pods: Iterable[Pod], now: float) -> Groups:
    """Sort pods into ready, unready and missing a sample (`groupPods`, for CPU)."""
    ready, unready, missing = Group(), Group(), Group()
    for pod in pods:
        if pod.deleting or pod.phase in {"Failed", "Succeeded"}:
            continue
        if pod.phase == "Pending":
            unready = _joined(unready, pod)
        elif pod.usage is None:
            missing = _joined(missing, pod)
        elif _initialising(pod, now):
            unready = _joined(unready, pod)
        else:
            ready = _joined(ready, pod)
    return Groups(ready, unready, missing)


def _initialising(pod: Pod, now: float) -> bool:
    """Its CPU does not count yet: within five minutes of its start while unready or without a full sample since."""
    if pod.ready is None or pod.started_at is None:
        return True
    if pod.started_at + CPU_INITIALIZATION > now:
        return not pod.ready or pod.sampled_at < pod.changed_at + pod.sample_window
    return not pod.ready and pod.started_at + INITIAL_READINESS_DELAY > pod.changed_at


def _joined(group: Group, pod: Pod) -> Group:
    return Group(group.pods + 1, group.request + pod.request, group.usage + (pod.usage or 0))


def _utilization_ratio(usage: int, request: int, target: int) -> float:
    """The whole percent used over the target, as the metrics client truncates it."""
    return (usage * 100 // request) / target


def _within(ratio: float, tolerance: float) -> bool:
    return 1.0 - tolerance <= ratio <= 1.0 + tolerance


def _stabilised(rule: Rule, recommended: int, history: History, now: float) -> int:
    """Without behavior: the greatest recommendation of the window."""
    return max(recommended, *(n for n, at in history.recommendations if at >= now - rule.window), 0)


def _converted(rule: Rule, current: int, wanted: int) -> int:
    most = min(rule.maximum, max(LEGACY_UP_FACTOR * current, LEGACY_UP_LEAST))
    return min(max(wanted, rule.minimum), most)


def _stabilised_by(behavior: Behavior, current: int, recommended: int, history: History, now: float) -> int:
    """Up no further than the least of the up window, down no further than the greatest of the down window."""
    up = down = recommended
    rising, falling = now - behavior.up.window, now - behavior.down.window
    for value, at in history.recommendations:
        if at > rising and value < up:
            up = value
        if at > falling and value > down:
            down = value
    return min(max(current, up), down)


def _limited(rule: Rule, behavior: Behavior, current: int, wanted: int, history: History, now: float) -> int:
    if wanted > current:
        limit = max(current, _up_limit(behavior.up, current, history, now))
        return min(wanted, rule.maximum, limit)
    if wanted < current:
        limit = min(current, _down_limit(behavior.down, current, history, now))
        return max(wanted, rule.minimum, limit)
    return wanted


def _up_limit(rules: Rules, current: int, history: History, now: float) -> int:
    if rules.select == "Disabled":
        return current
    proposed = []
    for policy in rules.policies:
        before = current - _changed(history.ups, policy, now) + _changed(history.downs, policy, now)
        if policy.kind == "Pods":
            proposed.append(before + policy.value)
        else:
            proposed.append(math.ceil(before * (1 + policy.value / 100)))
    return min(proposed) if rules.select == "Min" else max(proposed)


def _down_limit(rules: Rules, current: int, history: History, now: float) -> int:
    if rules.select == "Disabled":
        return current
    proposed = []
    for policy in rules.policies:
        before = current - _changed(history.ups, policy, now) + _changed(history.downs, policy, now)
        proposed.append(before - policy.value if policy.kind == "Pods" else int(before * (1 - policy.value / 100)))
    return max(proposed) if rules.select == "Min" else min(proposed)


def _changed(changes: Iterable[Change], policy: Policy, now: float) -> int:
    return sum(change.pods for change in changes if change.at > now - policy.period)


def _noted(
    recommendations: tuple[tuple[int, float], ...], recommended: int, since: float, now: float
) -> tuple[tuple[int, float], ...]:
    kept = [one for one in recommendations if one[0] != recommended and one[1] >= since]
    return (*kept, (recommended, now))


def _scaled(rule: Rule, current: int, desired: int, recommended: int | None, history: History, now: float) -> Answer:
    """The answer, with the change noted where policies will ask for it (`storeScaleEvent`)."""
    behavior = rule.behavior
    if behavior is None or desired == current:
        return Answer(desired, recommended, history)
    ups, downs = history.ups, history.downs
    if desired > current:
        ups = (*_recent(ups, behavior.up, now), Change(now, desired - current))
    else:
        downs = (*_recent(downs, behavior.down, now), Change(now, current - desired))
    return Answer(desired, recommended, History(history.recommendations, ups, downs))


def _recent(changes: Iterable[Change], rules: Rules, now: float) -> tuple[Change, ...]:
    longest = max((policy.period for policy in rules.policies), default=0.0)
    return tuple(change for change in changes if change.at > now - longest)
