"""What opens an incident: which facts are symptoms, under stable codes, each with one clause for people.

Promises that a missing fact is no symptom, and that codes never change meaning: events, labels and recurrence count
by them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from controller.core.events import Symptom
from controller.core.words import times
from runbooks.evidence import Evidence

SHARE: Final = 0.1
"""Less than a tenth of the pods in trouble is a matter of pods, not of the service."""

REPEATED: Final = 2
WAITED: Final = timedelta(minutes=5)


def symptoms(evidence: Evidence) -> tuple[Symptom, ...]:
    """Everything that is wrong; none means that nothing opens (or keeps open) an incident."""
    return tuple(symptom for check in CHECKS for symptom in check(evidence))


def crash_loop(evidence: Evidence) -> Iterator[Symptom]:
    """A tenth of the pods, or half of the newest version's."""
    count, share, updated = (
        number(evidence, "objects.crashLooping.count"),
        number(evidence, "objects.crashLooping.share"),
        number(evidence, "replicas.updated"),
    )
    if count >= 1 and (share >= SHARE or (updated >= 1 and 2 * count >= updated)):
        yield Symptom("crash-loop", f"{of_pods(count, share)} restart")


def image_pull(evidence: Evidence) -> Iterator[Symptom]:
    """Any pod: an image does not come by waiting."""
    count = number(evidence, "objects.imagePull.count")
    if count >= 1:
        yield Symptom(
            "image-pull", f"the image of {of_pods(count, number(evidence, 'objects.imagePull.share'))} cannot be pulled"
        )


def oom_killed(evidence: Evidence) -> Iterator[Symptom]:
    """More than once in half an hour."""
    count = number(evidence, "objects.oomKilled.count")
    if count >= REPEATED:
        yield Symptom("oom-killed", f"killed for memory {count:.0f} times in 30 min")


def stuck_rollout(evidence: Evidence) -> Iterator[Symptom]:
    """The progress deadline is exceeded."""
    if evidence.get("objects.stuckRollout") is True:
        yield Symptom("stuck-rollout", "the rollout exceeded its progress deadline")


def not_ready(evidence: Evidence) -> Iterator[Symptom]:
    """A tenth of the wanted replicas for five minutes."""
    lasting = evidence.get("objects.notReady.lasting")
    share, count = number(evidence, "objects.notReady.share"), number(evidence, "objects.notReady.count")
    if isinstance(lasting, timedelta) and lasting >= WAITED and share >= SHARE:
        desired = number(evidence, "replicas.desired")
        yield Symptom(
            "not-ready", f"{count:.0f} of {desired:.0f} replicas not ready for {lasting.total_seconds() // 60:.0f} min"
        )


def errors(evidence: Evidence) -> Iterator[Symptom]:
    """The error share lies above its own band."""
    if evidence.get("signals.errors.abnormal") is not True:
        return
    value, low, high, p = (number(evidence, f"signals.errors.{part}") for part in ("value", "low", "high", "p"))
    yield Symptom(
        "errors", f"errors {percent(value)} % (expected {percent(low)}–{percent(high)} %, p = {power_of_ten(p)})"
    )


def regression(evidence: Evidence) -> Iterator[Symptom]:
    """The newest version was judged to fail more than the one before."""
    if evidence.get("canary.regression") is not True:
        return
    new, old = evidence.get("canary.version"), evidence.get("canary.baseline")
    shares = (number(evidence, name) for name in ("canary.errors", "canary.baselineErrors"))
    fails, failed = (f"{percent(share)} %" if math.isfinite(share) else "more" for share in shares)
    e_value = times(number(evidence, "canary.eValue"))
    yield Symptom("regression", f"{new} fails {fails} of its requests, {old} {failed} (e-value {e_value})")


def alert(evidence: Evidence) -> Iterator[Symptom]:
    """A critical alert that names the workload fires."""
    if number(evidence, "alerts.critical") >= 1:
        names = evidence.get("alerts.names")
        yield Symptom(
            "alert", f"alert {', '.join(names[:3]) if isinstance(names, tuple) else ''} fires".replace("  ", " ")
        )


CHECKS: Final[tuple[Callable[[Evidence], Iterator[Symptom]], ...]] = (
    crash_loop,
    image_pull,
    oom_killed,
    stuck_rollout,
    not_ready,
    regression,
    errors,
    alert,
)


def number(evidence: Evidence, name: str) -> float:
    """A numeric fact, NaN when it is missing: every comparison with it is false."""
    value = evidence.get(name)
    return float(value) if isinstance(value, int | float) else math.nan


def of_pods(count: float, share: float) -> str:
    """`7 of 12 pods`, or `7 pods` when the whole is not known."""
    return f"{count:.0f} of {count / share:.0f} pods" if share > 0 else f"{count:.0f} pods"


def percent(share: float) -> str:
    """A share in percent with two significant digits below ten: 4.1, 0.1, 41."""
    value = 100 * share
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}" if value >= 0.1 else f"{value:.2g}"


def power_of_ten(p: float) -> str:
    """A probability for people: 3·10⁻⁹, or 0.02."""
    if not 0 < p < 0.001:
        return f"{p:.2g}" if p > 0 else "0"
    exponent = math.floor(math.log10(p))
    digit = round(p / 10**exponent)
    if digit == 10:
        digit, exponent = 1, exponent + 1
    return f"{digit}·10{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
