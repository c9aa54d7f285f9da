"""check_detector() and check_judge(): whether a plugin keeps the promises of `base.py`, in one run.

Public: run them on your own detector or judge, as trimtab runs them on its own. They tell what is broken, with the
case that broke it; they cannot tell whether a detector is any good.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.base import Detector, Judge, State
from detectors.canary.evidence import Arm, Evidence
from detectors.results import Abstention, CannotKnow, Detection, Hold, Promote, RollBack
from detectors.series import DataHealth, Problem, Series, Signal, Workload


class Check(Protocol):
    """One promise, tried."""

    __name__: str

    def __call__(self, fresh: Callable[[], Detector], seed: int) -> Iterator[Broken]:
        """What was seen to break it."""
        ...


START = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(seconds=30)
LARGEST_STATE = 65_536
"""Bytes of JSON that one series may remember."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One promise that was not kept, and how it was seen."""

    promise: str
    seen: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found; nothing broken means that the promises held in every case that was tried."""

    broken: tuple[Broken, ...]

    @property
    def ok(self) -> bool:
        """True when nothing is broken."""
        return not self.broken

    def __str__(self) -> str:
        return "\n".join(f"{b.promise}: {b.seen}" for b in self.broken) or "every promise held"


def check_detector(detector: Detector, seed: int = 0) -> Report:
    """Try every promise on generated series; `detector` itself is copied, never used."""
    checks = (
        survives,
        abstains_on_bad_health,
        abstains_without_newest,
        is_causal,
        is_deterministic,
        keeps_state_as_json,
    )
    return Report(tuple(broken for check in checks for broken in caught(check, detector, seed)))


def caught(check: Check, detector: Detector, seed: int) -> tuple[Broken, ...]:
    """One check's findings; a detector that fails in it has broken the first promise."""
    try:
        return tuple(check(lambda: copy.deepcopy(detector), seed))
    except Exception as error:  # noqa: BLE001 -- whatever a plugin raises is the finding
        return (Broken("answers every series", f"{check.__name__}: {type(error).__name__}: {error}"),)


def survives(fresh: Callable[[], Detector], seed: int) -> Iterator[Broken]:
    """No series makes it fail, and what it says is a well-formed answer."""
    for name, series in odd_series(seed):
        try:
            answer, _ = fresh().detect(series, {})
        except Exception as error:  # noqa: BLE001 -- whatever a plugin raises is the finding
            yield Broken("answers every series", f"{name}: {type(error).__name__}: {error}")
            continue
        if problem := malformed(answer):
            yield Broken("answers every series", f"{name}: {problem}")


def abstains_on_bad_health(fresh: Callable[[], Detector], seed: int) -> Iterator[Broken]:
    """Data with a problem give no detection, and the abstention names the problem."""
    for problem in Problem:
        for wild in (False, True):
            series = replace(usual(seed, jump=0.3 if wild else 0.0), health=DataHealth(frozenset({problem})))
            answer, _ = fresh().detect(series, {})
            if not isinstance(answer, Abstention):
                yield Broken("abstains on bad data", f"{problem}: {answer}")
            elif problem not in answer.problems:
                yield Broken("abstains on bad data", f"{problem} is not named in {answer}")


def abstains_without_newest(fresh: Callable[[], Detector], seed: int) -> Iterator[Broken]:
    """A missing newest value is no value: not the one before it, and not zero."""
    values = usual(seed).values.copy()
    values[-1] = math.nan
    answer, _ = fresh().detect(with_values(values), {})
    if not isinstance(answer, Abstention):
        yield Broken("abstains without a newest value", str(answer))


def is_causal(fresh: Callable[[], Detector], seed: int) -> Iterator[Broken]:
    """What comes later changes no earlier answer: a stream cut short gives the same answers as the whole one."""
    whole, other = usual(seed, jump=0.2), usual(seed)
    half = len(whole.values) // 2
    kept = other.values.copy()
    kept[:half] = whole.values[:half]
    kept[half:] = 0.9
    one, seen = fresh(), fresh()
    seen.detect(whole, {})
    for end in range(half - 20, half):
        first, _ = one.detect(cut(whole, end), {})
        # A view into an array whose future differs, given to an instance that has seen that future.
        second, _ = seen.detect(replace(whole, values=kept[:end], support=view(whole.support, end)), {})
        if first != second:
            yield Broken("is causal", f"after {end} points: {first} or {second}, depending on what came later")
            return


def is_deterministic(fresh: Callable[[], Detector], seed: int) -> Iterator[Broken]:
    """The same input gives the same answer, in a fresh instance and in a used one, and the input stays as it was."""
    before = usual(seed, jump=0.2).values
    series = replace(usual(seed), values=before.copy())
    used = fresh()
    answers = [used.detect(series, {}), used.detect(series, {}), fresh().detect(series, {})]
    if any(answer != answers[0] for answer in answers):
        yield Broken("is deterministic", f"{[answer for answer, _ in answers]}")
    if not np.array_equal(before, series.values, equal_nan=True):
        yield Broken("changes nothing it is given", "the values of the series were written")


def keeps_state_as_json(fresh: Callable[[], Detector], seed: int) -> Iterator[Broken]:
    """State survives JSON and a restart with the same answers, and stays small."""
    series = usual(seed, jump=0.2)
    kept, restarted = fresh(), fresh()
    held: State = {}
    stored = "{}"
    for end in range(len(series.values) - 30, len(series.values)):
        first, held = kept.detect(cut(series, end), held)
        second, state = restarted.detect(cut(series, end), json.loads(stored))
        try:
            stored = json.dumps(state, allow_nan=False)
        except (TypeError, ValueError) as error:
            yield Broken("keeps its state as JSON", str(error))
            return
        if first != second:
            yield Broken("keeps its state as JSON", f"after {end} points {first}, restarted {second}")
            return
        restarted = fresh()
    if len(stored) > LARGEST_STATE:
        yield Broken("keeps its state small", f"{len(stored)} bytes")


def odd_series(seed: int) -> Iterator[tuple[str, Series]]:
    """Series that a careless detector stumbles over."""
    noise = np.random.default_rng(seed)
    yield "empty", with_values(np.zeros(0))
    for value in (0.0, 1.0, 0.5, 1e-300, -1.0, 1e300, math.nan, math.inf, -math.inf):
        for length in (1, 2, 500):
            yield f"{length} × {value}", with_values(np.full(length, value))
    holes = usual(seed).values.copy()
    holes[noise.random(len(holes)) < 0.5] = math.nan
    yield "half missing", with_values(holes)
    spikes = usual(seed).values.copy()
    spikes[::7] = math.inf
    yield "some infinite", with_values(spikes)
    yield "random", with_values(noise.normal(size=500))
    yield "no requests", replace(usual(seed), support=np.zeros(len(usual(seed).values)))
    yield "requests unknown", replace(usual(seed), support=np.full(len(usual(seed).values), math.nan))


def usual(seed: int, jump: float = 0.0, length: int = 400) -> Series:
    """Binomial error shares around 0.2 % of some thousand requests; the last five rise by `jump`."""
    noise = np.random.default_rng(seed)
    requests = noise.integers(2_000, 5_000, length).astype(np.float64)
    values = noise.binomial(requests.astype(np.int64), 0.002) / requests
    values[-5:] += jump
    return with_values(values, requests)


def with_values(values: NDArray[np.float64], support: NDArray[np.float64] | None = None) -> Series:
    """A series of error shares; read-only, so that writing to it is an error."""
    series = Series(
        Workload("shop", "Deployment", "checkout"), Signal.ERRORS, START, STEP, values, "ratio", support=support
    )
    values.flags.writeable = False
    return series


def cut(series: Series, end: int) -> Series:
    """The first `end` points, copied."""
    return replace(
        series,
        values=series.values[:end].copy(),
        support=None if series.support is None else series.support[:end].copy(),
    )


def view(values: NDArray[np.float64] | None, end: int) -> NDArray[np.float64] | None:
    """The first `end` points, not copied."""
    return None if values is None else values[:end]


def malformed(answer: object) -> str:
    """What is wrong with the form of an answer; empty when nothing is."""
    match answer:
        case Abstention(reason):
            return "" if reason else "an abstention without a reason"
        case Detection(value, band, p):
            numbers = (value, band.low, band.high, p)
            if not all(math.isfinite(number) for number in numbers):
                return f"not finite: {answer}"
            return "" if 0.0 <= p <= 1.0 and band.low <= band.high else f"impossible: {answer}"
        case _:
            return f"neither Detection nor Abstention: {answer!r}"


ALPHA = 0.05
EPISODES, LOOKS, PODS = 100, 10, 3
TOO_MANY = 13
"""More false rollbacks than this of 100 have a chance below 1 in 1,000 where each has 5 % (binomial)."""


class JudgeCheck(Protocol):
    """One promise of a judge, tried."""

    __name__: str

    def __call__(self, fresh: Callable[[], Judge], seed: int) -> Iterator[Broken]:
        """What was seen to break it."""
        ...


def check_judge(judge: Judge, seed: int = 0) -> Report:
    """Try every promise of `base.Judge` on generated counts; `judge` itself is copied, never used."""
    checks: tuple[JudgeCheck, ...] = (
        judges_everything,
        knows_nothing_of_bad_data,
        knows_nothing_of_an_absent_arm,
        judges_the_same_twice,
        finds_a_regression,
        bears_being_looked_at,
    )
    return Report(tuple(broken for check in checks for broken in caught_judging(check, judge, seed)))


def caught_judging(check: JudgeCheck, judge: Judge, seed: int) -> tuple[Broken, ...]:
    """One check's findings; a judge that fails in it has broken the first promise."""
    try:
        return tuple(check(lambda: copy.deepcopy(judge), seed))
    except Exception as error:  # noqa: BLE001 -- whatever a plugin raises is the finding
        return (Broken("answers all evidence", f"{check.__name__}: {type(error).__name__}: {error}"),)


def judges_everything(fresh: Callable[[], Judge], seed: int) -> Iterator[Broken]:
    """No evidence makes it fail, and what it says is one of the four verdicts with numbers that can be shown."""
    nothing = np.zeros((0, 3))
    odd = {
        "no pods": counted(Arm(nothing, nothing), Arm(nothing, nothing)),
        "no looks": counted(Arm(np.zeros((2, 0)), np.zeros((2, 0))), Arm(np.zeros((1, 0)), np.zeros((1, 0)))),
        "nothing but zeros": counted(flat(0, 0), flat(0, 0)),
        "every request fails": counted(flat(50, 50), flat(50, 50)),
        "one request": counted(flat(1, 0), flat(1e9, 1e6)),
        "huge": counted(flat(1e12, 1e9), flat(1e12, 1e9)),
    }
    for name, evidence in odd.items():
        verdict = fresh().judge(evidence, ALPHA)
        if problem := misjudged(verdict):
            yield Broken("answers all evidence", f"{name}: {problem}")
        if isinstance(verdict, RollBack):
            yield Broken("rolls back only what is worse", f"{name}: {verdict}")


def knows_nothing_of_bad_data(fresh: Callable[[], Judge], seed: int) -> Iterator[Broken]:
    """Data with a problem and counts that cannot be are no verdict, however bad the new version looks."""
    bad = episode(seed, odds=20.0)
    for problem in Problem:
        verdict = fresh().judge(replace(bad, health=DataHealth(frozenset({problem}))), ALPHA)
        if not isinstance(verdict, CannotKnow):
            yield Broken("knows nothing of bad data", f"{problem}: {verdict}")
    for name, value in {"below zero": -1.0, "more than all": 1e9, "infinite": math.inf}.items():
        failures = bad.canary.failures.copy()
        failures[0, -1] = value
        verdict = fresh().judge(replace(bad, canary=Arm(bad.canary.requests, failures)), ALPHA)
        if not isinstance(verdict, CannotKnow):
            yield Broken("knows nothing of counts that cannot be", f"{name}: {verdict}")


def knows_nothing_of_an_absent_arm(fresh: Callable[[], Judge], seed: int) -> Iterator[Broken]:
    """Missing samples, a silent arm and a baseline that is gone are never a verdict on healthy counts."""
    well = episode(seed)
    for name, arm in (("canary", well.canary), ("baseline", well.baseline)):
        for what, changed in {
            "never measured": holed(arm, 0, math.nan),
            "gone": holed(arm, LOOKS // 2, math.nan),
            "half missing": Arm(every_other(arm.requests), every_other(arm.failures)),
            "silent": holed(arm, LOOKS // 2, 0.0),
        }.items():
            verdict = fresh().judge(replace(well, **{name: changed}), ALPHA)  # type: ignore[arg-type]  # one of the arms
            if not isinstance(verdict, CannotKnow):
                yield Broken("missing samples are no verdict", f"{name} {what}: {verdict}")


def judges_the_same_twice(fresh: Callable[[], Judge], seed: int) -> Iterator[Broken]:
    """The same evidence gives the same answer, in a fresh judge and in a used one, and stays as it was."""
    evidence, used = episode(seed, odds=4.0), fresh()
    before = evidence.canary.failures.copy()
    used.judge(episode(seed + 1), ALPHA)
    answers = [used.judge(evidence, ALPHA), used.judge(evidence, ALPHA), fresh().judge(evidence, ALPHA)]
    if any(answer != answers[0] for answer in answers):
        yield Broken("the same evidence, the same answer", str(answers))
    if not np.array_equal(before, evidence.canary.failures):
        yield Broken("changes nothing it is given", "the failures were written")


def finds_a_regression(fresh: Callable[[], Judge], seed: int) -> Iterator[Broken]:
    """Four times the failures at 300 requests a second and 1 % are found within ten looks of 15 s."""
    missed = sum(not isinstance(fresh().judge(episode(seed + n, odds=4.0), ALPHA), RollBack) for n in range(10))
    if missed:
        yield Broken("finds a regression", f"{missed} of 10 versions with four times the failures were kept")


def bears_being_looked_at(fresh: Callable[[], Judge], seed: int) -> Iterator[Broken]:
    """Asked at every look, it rolls a healthy version back at most as often as it was told."""
    false = 0
    for number in range(EPISODES):
        whole = episode(seed + 1000 + number)
        false += any(isinstance(fresh().judge(first(whole, look), ALPHA), RollBack) for look in range(1, LOOKS + 1))
    if false > TOO_MANY:
        yield Broken("holds its false rollbacks at every look", f"{false} of {EPISODES} at {ALPHA:g}")


def episode(seed: int, odds: float = 1.0, looks: int = LOOKS) -> Evidence:
    """A rollout at 300 requests a second over two times three pods, 1 % failing in times that get better and worse."""
    noise = np.random.default_rng(seed)
    times = 0.01 * (1.0 + 0.5 * np.sin(np.arange(looks)))

    def arm(share: NDArray[np.float64]) -> Arm:
        requests = noise.poisson(750.0, (PODS, looks))
        return Arm(requests.astype(np.float64), noise.binomial(requests, share).astype(np.float64))

    return counted(arm(times * odds), arm(times))


def counted(canary: Arm, baseline: Arm) -> Evidence:
    """Evidence of looks 15 s apart."""
    return Evidence(START.timestamp() + 15.0 * np.arange(canary.looks, dtype=np.float64), canary, baseline)


def first(evidence: Evidence, looks: int) -> Evidence:
    """What was known after so many looks."""
    canary, baseline = (
        Arm(arm.requests[:, :looks], arm.failures[:, :looks]) for arm in (evidence.canary, evidence.baseline)
    )
    return replace(evidence, times=evidence.times[:looks], canary=canary, baseline=baseline)


def flat(requests: float, failures: float) -> Arm:
    """Every pod the same at every look."""
    return Arm(np.full((PODS, LOOKS), float(requests)), np.full((PODS, LOOKS), float(failures)))


def holed(arm: Arm, since: int, value: float) -> Arm:
    """An arm that says nothing else from some look on."""
    requests, failures = arm.requests.copy(), arm.failures.copy()
    requests[:, since:] = failures[:, since:] = value
    return Arm(requests, failures)


def every_other(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every other look is missing."""
    kept = values.copy()
    kept[:, 1::2] = math.nan
    return kept


def misjudged(verdict: object) -> str:
    """What is wrong with the form of a verdict; empty when nothing is."""
    match verdict:
        case CannotKnow(_, detail, needed):
            return "" if detail and needed else "cannot know, but not why or what is needed"
        case Promote(measured) | RollBack(measured) | Hold(measured, _):
            numbers = (measured.log_e, measured.log_needed, measured.dispersion)
            if not all(map(math.isfinite, numbers)) or measured.dispersion < 1:
                return f"not finite, or a dispersion below 1: {measured}"
            progress = verdict.progress if isinstance(verdict, Hold) else 0.0
            return "" if 0.0 <= progress < 1.0 else f"progress {progress}"
        case _:
            return f"none of the four verdicts: {verdict!r}"
