"""From load to replicas: how many pods the coming peak needs at the autoscaler's own target, and when a floor moves.

Promises that a floor is never below the minimum that its people wrote nor above the cap, that data which cannot be
trusted never lowers it, that it rises at once and falls only after a hold, and that an autoscaler which something else
controls is left alone. Reads no clock: HPA object, load, forecast and `now` are arguments.
See docs/explanation/floor.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from detectors.results import Abstention, Forecast
from remediations.floor import SHARE, highest, least_of, mark_of, most_of
from remediations.owners import controller_of
from remediations.quantity import BadQuantity, parse

Object: TypeAlias = Mapping[str, Any]

LARGEST = 1_000_000
"""More pods than any cluster has: what divides by almost nothing stops here."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The administrator's numbers: the cap as a share of `maxReplicas`, and how long a lower need must last."""

    cap_share: float = SHARE
    hold: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A floor, and where it comes from.

    `peak` is the load, in the load's unit, that it should bear at `quantile` (a probability) until `until`; `per_pod`
    the load that one pod bears at the autoscaler's target; `lead` how long a pod takes to start. `capped`: more was
    needed than `cap` allows. `reasons` are sentences for people.
    """

    replicas: int
    peak: float
    per_pod: float
    lead: timedelta
    quantile: float
    until: datetime
    cap: int
    capped: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CannotSize:
    """No floor can be computed, and why: `reason` for people, `code` for conditions. A floor that is held stays."""

    reason: str
    code: str


# What the autoscaler says


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range people gave an autoscaler; `minimum` is theirs, never a floor of ours."""

    minimum: int
    maximum: int

    def cap(self, share: float) -> int:
        """The largest floor: a share of the maximum, but never less than what people asked for."""
        return max(self.minimum, highest(self.maximum, share))


@dataclass(frozen=True, slots=True)
class Need:
    """What one metric asks for: `replicas` is fractional, before the autoscaler rounds up. `by_pod`: it is a mean over
    the pods that were ready when the autoscaler looked.
    """

    metric: str
    replicas: float
    by_pod: bool = False


def recorded(hpa: Object) -> int | None:
    """The minimum that stood there before we held the field; None when we do not hold it."""
    mark = mark_of(hpa)
    return mark.was if mark is not None and mark.ours else None


def bounds(hpa: Object, former: int | None) -> Bounds:
    """The autoscaler's range. `former` is the minimum that stood there before we held the field, None when we do
    not hold it.
    """
    return Bounds(former if former is not None else least_of(hpa), most_of(hpa))


NO_AUTOSCALER = CannotSize("no HorizontalPodAutoscaler scales it", "NoAutoscaler")


def unfit(autoscalers: Iterable[Object]) -> CannotSize | Object:
    """The one autoscaler that can be given a floor, or why there is none."""
    found = list(autoscalers)
    if not found:
        return NO_AUTOSCALER
    if len(found) > 1:
        names = ", ".join(sorted(hpa["metadata"]["name"] for hpa in found))
        return CannotSize(f"several HorizontalPodAutoscalers scale it: {names}", "SeveralAutoscalers")
    hpa = found[0]
    owner = controller_of(hpa)
    if owner is not None:
        hint = "; raise minReplicaCount there" if owner.kind == "ScaledObject" else ""
        told = f"its autoscaler belongs to {owner.kind}/{owner.name}, which would take a floor back{hint}"
        return CannotSize(told, "AutoscalerControlled")
    return hpa


BY_POD = ("Resource", "ContainerResource", "Pods")
"""Metrics whose current value is a mean over the pods that are ready."""


def needs(hpa: Object, ready: int | None = None) -> tuple[Need, ...]:
    """What each metric asks for now: replicas × current value ÷ target.

    (Kubernetes, "Horizontal Pod Autoscaling: algorithm details".) Pods that have just been started bear nothing yet:
    where a metric is a mean over ready pods, only these (`ready`, None: all) are counted. A metric without a current
    value is left out, and so is everything while the autoscaler says that it cannot compute.
    """
    status = hpa.get("status", {})
    conditions = status.get("conditions") or ()
    if any(found.get("type") == "ScalingActive" and found.get("status") == "False" for found in conditions):
        return ()
    current_replicas = int(status.get("currentReplicas") or 0)
    current = [(identity(metric), metric) for metric in status.get("currentMetrics") or () if metric]
    found = []
    for metric in hpa.get("spec", {}).get("metrics") or ():
        name = identity(metric)
        by_pod = bool(name) and name[0] in BY_POD
        replicas = current_replicas if ready is None or not by_pod else min(current_replicas, ready)
        said = next((reading for known, reading in current if known == name), None)
        ratio = None if said is None else used(metric, said, replicas)
        if ratio is not None and replicas > 0:
            found.append(Need(":".join(name), replicas * ratio, by_pod))
    return tuple(found)


SOURCES = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


def identity(metric: Object) -> tuple[str, ...]:
    """What a metric is, the same in spec and status: its type, name, container, object and selector."""
    kind = str(metric.get("type", ""))
    source = metric.get(SOURCES.get(kind, ""), {}) or {}
    inner = source.get("metric") or {}
    described = source.get("describedObject") or {}
    selector = sorted(((inner.get("selector") or {}).get("matchLabels") or {}).items())
    parts = (
        kind,
        source.get("name") or inner.get("name") or "",
        source.get("container") or "",
        described.get("name") or "",
        ",".join(f"{key}={value}" for key, value in selector),
    )
    return tuple(str(part) for part in parts if part)


def used(metric: Object, reading: Object, replicas: int) -> float | None:
    """Current value ÷ target of one metric (1 is exactly at target); None when either is missing or impossible."""
    key = SOURCES.get(str(metric.get("type", "")), "")
    target = (metric.get(key) or {}).get("target") or {}
    current = (reading.get(key) or {}).get("current") or {}
    match target.get("type"):
        case "Utilization":
            now, aim = number(current.get("averageUtilization")), number(target.get("averageUtilization"))
        case "AverageValue":
            now, aim = quantity(current.get("averageValue")), quantity(target.get("averageValue"))
            if now is None and replicas and (total := quantity(current.get("value"))) is not None:
                now = total / replicas
        case "Value":
            now, aim = quantity(current.get("value")), quantity(target.get("value"))
        case _:
            return None
    if now is None or aim is None or aim <= 0.0 or now < 0.0:
        return None
    return now / aim


def number(value: object) -> float | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def quantity(value: object) -> float | None:
    """A Kubernetes quantity as a number; None when it is none."""
    if isinstance(value, str) or type(value) is int:
        try:
            return float(parse(value))
        except BadQuantity:
            return None
    return number(value)


# How much one pod bears


@dataclass(frozen=True, slots=True)
class Capacity:
    """Load per pod at the autoscaler's target, as a ratio of sums (Σ load ÷ Σ pods needed) over `readings`.

    A ratio of sums gives busy moments more weight than idle ones, where fixed costs make a pod look weak. Older
    readings fade by `1 − 1/memory` with each new one.
    """

    load: float = 0.0
    needed: float = 0.0
    readings: int = 0
    metric: str = ""

    @property
    def per_pod(self) -> float | None:
        """Load units per pod; None before the first reading."""
        return self.load / self.needed if self.needed > 0.0 and self.load > 0.0 else None


MEMORY = 60
"""Readings that a capacity remembers: an hour at one a minute."""
ENOUGH = 3
"""Readings before a capacity is believed: load and metric are means over windows of their own, and one moment's pair
may be off by a tenth or two.
"""
ABOUT = 0.05
"""Two numbers of pods that differ by no more than this share count as the same."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many pods are ready, and since when about so many are; `since` None: for as long as anybody has looked."""

    ready: int
    since: datetime | None = None

    def then(self, ready: int, now: datetime) -> Crowd:
        """The crowd at the next look."""
        return self if about(self.ready, ready) else Crowd(ready, now)

    def rests(self, hpa: Object, window: timedelta, now: datetime) -> bool:
        """Whether a mean over its pods still tells how many are needed: a whole `window` has seen the same pods, and
        the autoscaler speaks of as many. Pods that came since make it look as if all were that busy.
        """
        status = hpa.get("status", {})
        current = int(status.get("currentReplicas") or 0)
        desired = int(status.get("desiredReplicas") or current)
        as_many = about(self.ready, current) and about(self.ready, desired)
        return as_many and (self.since is None or now - self.since >= window)


def about(one: int, other: int) -> bool:
    """Whether two numbers of pods are nearly the same."""
    return abs(one - other) <= ABOUT * max(one, other)


def observed(capacity: Capacity, hpa: Object, load: float, ready: int | None = None, *, rests: bool = True) -> Capacity:
    """The capacity after one more reading; unchanged when there is nothing to learn from it. `ready`: see `needs`;
    `rests`: see `Crowd.rests`, which a mean over pods needs to be worth anything.
    """
    asked = needs(hpa, ready)
    if not asked or not math.isfinite(load) or load <= 0.0:
        return capacity
    binding = max(asked, key=lambda need: need.replicas)
    if binding.replicas <= 0.0 or (binding.by_pod and not rests):
        return capacity
    fade = 1.0 - 1.0 / MEMORY
    return Capacity(
        capacity.load * fade + load, capacity.needed * fade + binding.replicas, capacity.readings + 1, binding.metric
    )


# The floor


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of the load when a floor is computed: the newest value (None when it cannot be trusted), the
    forecast, the lead time, and why the data are not to be trusted (empty: they are).
    """

    load: float | None
    forecast: Forecast | Abstention
    lead: timedelta
    unhealthy: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a floor remembers between two looks: the last good one, and since when, and up to what, less was needed."""

    wanted: Wanted | None = None
    below_since: datetime | None = None
    below: int = 0


def size(
    hpa: Object,
    former: int | None,
    outlook: Outlook,
    capacity: Capacity,
    standing: Standing,
    rules: Rules,
    now: datetime,
) -> tuple[Wanted | CannotSize, Standing]:
    """The floor now, and what to remember. Bad data keep the last good floor, whatever it was."""
    per_pod = capacity.per_pod
    forecast = outlook.forecast
    if outlook.unhealthy or outlook.load is None or isinstance(forecast, Abstention):
        why = outlook.unhealthy or (forecast.reason if isinstance(forecast, Abstention) else "the load is not known")
        return kept(hpa, former, standing, rules, why)
    if per_pod is None:
        return kept(hpa, former, standing, rules, "the autoscaler shows no current metrics to measure a pod by")
    if capacity.readings < ENOUGH:
        told = f"load per pod is being measured: {capacity.readings} of {ENOUGH} readings"
        return kept(hpa, former, standing, rules, told)
    raw = computed(bounds(hpa, former), outlook.load, forecast, per_pod, outlook.lead, rules)
    return steadied(raw, bounds(hpa, former), held_by(hpa, former, standing), standing, rules, now)


def held_by(hpa: Object, former: int | None, standing: Standing) -> int | None:
    """The floor to fall from: the last good one; after a start the one that stands in the field, if it is ours."""
    if standing.wanted is not None:
        return standing.wanted.replicas
    return least_of(hpa) if former is not None else None


def kept(
    hpa: Object, former: int | None, standing: Standing, rules: Rules, why: str
) -> tuple[Wanted | CannotSize, Standing]:
    """The last good floor, within today's bounds; without one there is nothing to say."""
    last = standing.wanted
    if last is None:
        return CannotSize(why, "NoForecast"), standing
    span = bounds(hpa, former)
    cap = span.cap(rules.cap_share)
    replicas = min(max(last.replicas, span.minimum), cap)
    reasons = (f"keeps the last good floor of {replicas}: {why}",)
    # A lower need that began before the data went bad proves nothing: the hold starts again.
    held = replace(last, replicas=replicas, cap=cap, reasons=reasons)
    return held, replace(standing, below_since=None, below=0)


def computed(span: Bounds, load: float, forecast: Forecast, per_pod: float, lead: timedelta, rules: Rules) -> Wanted:
    """The floor for the coming peak: ⌈peak ÷ load per pod⌉ between the recorded minimum and the cap."""
    peak = max(forecast.peak.value, load)
    needed = math.ceil(min(LARGEST, peak / per_pod) - 1e-6) if per_pod > 0.0 else LARGEST
    cap = span.cap(rules.cap_share)
    capped = needed > cap
    replicas = min(max(needed, span.minimum), cap)
    reasons = [f"a peak of {peak:.4g} at {per_pod:.4g} per pod needs {needed}"]
    if load > forecast.peak.value:
        reasons.append(f"the load is already above the forecast of {forecast.peak.value:.4g}")
    if needed < span.minimum:
        reasons.append(f"its own minimum is {span.minimum}")
    if capped:
        reasons.append(
            f"held at {cap}, {rules.cap_share:.0%} of maxReplicas {span.maximum}: a manifest that lowers the maximum"
            " below the floor would be refused by the API server"
        )
    until = forecast.at + forecast.peak.window
    return Wanted(replicas, peak, per_pod, lead, forecast.peak.quantile, until, cap, capped, tuple(reasons))


def steadied(
    raw: Wanted, span: Bounds, last: int | None, standing: Standing, rules: Rules, now: datetime
) -> tuple[Wanted, Standing]:
    """Raise at once; lower after the hold, and then to the most that was needed during it."""
    if last is None or raw.replicas >= last:
        return raw, Standing(raw)
    since = standing.below_since or now
    below = max(standing.below, raw.replicas)
    if now - since >= rules.hold:
        lowered = replace(raw, replicas=min(max(below, span.minimum), raw.cap))
        return lowered, Standing(lowered)
    replicas = min(last, raw.cap)
    reasons = (*raw.reasons, f"stays at {replicas} until less has been enough for {rules.hold.total_seconds():.0f} s")
    held = replace(raw, replicas=replicas, reasons=reasons)
    return held, Standing(replace(held, reasons=raw.reasons), since, below)
