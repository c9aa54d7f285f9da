"""From counts to a verdict: promote, hold, roll back, or say why it cannot be known.

Promises that a new version no worse than the old one is rolled back, ever, with probability at most α as far as
requests fail independently (`sequential.py` has the proof and its limits), that data with a doubt, an arm that is
silent or gone and a sample that is missing are never a verdict, and that the same counts give the same answer.
Promoting costs nothing and carries no such guarantee: it is a later look's to take back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from detectors.canary.evidence import Arm, Evidence
from detectors.canary.noise import learned
from detectors.canary.sequential import Counts, Looked, looked, paired
from detectors.results import CannotKnow, Counted, Hold, Measured, Promote, RollBack, Unknowable, Verdict

SPENT: Final = 0.5
"""The part of α that the test spends; the rest is kept for what its model leaves out."""
LATE: Final = 2
"""So many newest looks without a sample, and the arm counts as not measured."""
GAPS: Final = 0.2
"""Share of an arm's looks that may be missing."""
SILENT_LOOKS: Final = 4
"""So many looks without a single request, and the arm is silent."""
SURE: Final = 0.05
"""The chance at which a version worse than what is tolerated may be promoted, over all looks."""
TOLERATED_TIMES: Final = 2.0
TOLERATED_MORE: Final = 0.002
"""Promoted is what fails less than twice what the old version fails, or less than 0.2 points more."""
LEAST_LOOKS: Final = 4
"""Looks before anything is promoted."""
MORE_SAMPLES: Final = "samples of every look; is each pod scraped?"


@dataclass(frozen=True, slots=True)
class Sequential:
    """The judge that ships."""

    def judge(self, evidence: Evidence, alpha: float) -> Verdict:
        """The verdict on everything counted so far; raises ValueError when `alpha` is no chance in (0, 1)."""
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"the share of false rollbacks lies between 0 and 1, not at {alpha}")
        unknown = doubtful(evidence)
        if unknown is not None:
            return unknown
        counts, needed = paired(evidence), math.log(1.0 / (SPENT * alpha))
        test = partial(
            looked,
            canary=evidence.canary,
            baseline=evidence.baseline,
            noise=learned(evidence.before),
            whole=evidence.whole,
        )
        for look in range(1, len(counts.at) + 1):
            found = test(counts.until(look))
            if found.counts >= needed:
                # Ville's inequality is about the largest of all looks: what has been reached stays reached.
                return RollBack(measured(counts.until(look), found, needed))
        absent = missing(evidence)
        if absent is not None:
            return absent
        found = test(counts)
        numbers = measured(counts, found, needed)
        good = reassured(counts, found.within, 1 if evidence.whole else LEAST_LOOKS)
        if good >= 1.0:
            return Promote(numbers)
        return Hold(numbers, min(0.99, max(0.0, good, found.counts / needed)))


def measured(counts: Counts, found: Looked, needed: float) -> Measured:
    """The numbers of a verdict."""
    return Measured(
        Counted(float(counts.requests.sum()), float(counts.failures.sum())),
        Counted(float(counts.other_requests.sum()), float(counts.other_failures.sum())),
        found.counts,
        needed,
        found.dispersion,
        len(counts.at),
    )


def doubtful(evidence: Evidence) -> CannotKnow | None:
    """Why nothing of it can be believed, if so."""
    if not evidence.health.healthy:
        detail = evidence.health.detail or str(evidence.health)
        return CannotKnow(Unknowable.BAD_DATA, f"the data cannot be trusted: {detail}", "metrics without a doubt")
    for name, arm in arms(evidence):
        if not arm.possible:
            told = f"the {name} version counts more failures than requests, or fewer than none"
            return CannotKnow(Unknowable.IMPOSSIBLE, told, "counters that only grow, both of the same requests")
    return None


def missing(evidence: Evidence) -> CannotKnow | None:
    """Why the arms cannot be compared now, if so."""
    for name, arm in arms(evidence):
        there = np.flatnonzero(arm.measured)
        late = (arm.looks - 1 - int(there[-1])) if len(there) else arm.looks
        # A single look has no later ones: one missing sample is all of them.
        if not len(there) or late >= LATE:
            return absent(name, late if len(there) else None)
        span = arm.measured[there[0] :]
        if (gaps := 1.0 - float(span.mean())) > GAPS:
            told = f"{100 * gaps:.0f} % of the {name} version's samples are missing"
            return CannotKnow(Unknowable.GAPPED, told, MORE_SAMPLES)
    return silent(evidence)


def absent(name: str, late: int | None) -> CannotKnow:
    """An arm without newest samples; `late` None: without any."""
    if name == "old":
        told = "no pod of the old version is measured (any more): nothing to compare with"
        return CannotKnow(Unknowable.BASELINE_GONE, told, "pods of both versions at the same time")
    told = "no pod of the new version was measured"
    told += " yet" if late is None else f" at the last {late} looks"
    return CannotKnow(Unknowable.CANARY_MISSING, told, MORE_SAMPLES)


def silent(evidence: Evidence) -> CannotKnow | None:
    """An arm that nobody asks has no failures, and is not well for that."""
    for name, arm in arms(evidence):
        requests, _ = arm.known()
        newest = requests[:, -SILENT_LOOKS:]
        if arm.measured.sum() >= min(SILENT_LOOKS, arm.looks) and not newest.sum():
            told = f"the {name} version was not asked at the last {newest.shape[1]} looks"
            return CannotKnow(Unknowable.SILENT, told, "requests to both versions")
    return None


def arms(evidence: Evidence) -> tuple[tuple[str, Arm], tuple[str, Arm]]:
    """Both, with what people call them."""
    return ("new", evidence.canary), ("old", evidence.baseline)


def reassured(counts: Counts, dispersion: float, least: int) -> float:
    """How far it is to saying that the new version is not worse by anything that matters, after `least` looks; 1 is
    there.

    n requests with share k/n speak against a true share of m or more by exp(−n · KL(k/n ‖ m)) (Chernoff); look t may
    spend SURE/(t(t + 1)) of the chance to be wrong, which adds up to SURE.
    """
    looks = len(counts.at)
    requests, others = float(counts.requests.sum()), float(counts.other_requests.sum())
    if not looks or not requests or not others:
        return 0.0
    old = float(counts.other_failures.sum()) / others
    at_least = max(0.0, old - 2.0 * math.sqrt(old * dispersion / others))
    tolerated = min(0.999, max(TOLERATED_TIMES * at_least, at_least + TOLERATED_MORE))
    share = float(counts.failures.sum()) / requests
    if share >= tolerated:
        return 0.0
    nats = requests * divergence(share, tolerated) / dispersion
    return min(nats / math.log(looks * (looks + 1) / SURE), 1.0 if looks >= least else 0.99)


def divergence(share: float, other: float) -> float:
    """KL(share ‖ other) of two chances, in nats."""
    found = 0.0
    if share > 0.0:
        found += share * math.log(share / other)
    if share < 1.0:
        found += (1.0 - share) * math.log((1.0 - share) / (1.0 - other))
    return found
