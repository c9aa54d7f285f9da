"""The test: does the new version fail more of its requests than the old one, valid at every look.

At each look, given that K requests failed in both arms together, how many of them failed in the new one does not
depend on how bad the times are, only on the arms' shares of the requests w and 1 − w. If the new version is no worse,
its failures k are at most Binomial(K, w) (Lindon & Malek 2022, "Anytime-valid inference for multinomial count data";
Turner & Grünwald 2023, "Safe sequential testing and effect estimation in stratified count data"). Against the odds ρ
the likelihood ratio of one look is ρᵏ · (1 + w(ρ − 1))⁻ᴷ. For every ρ ≥ 1

- its mean is at most 1 if the new version is no worse: it grows with k, and the exact law of k, hypergeometric, is
  smaller than the binomial in convex order (Hoeffding 1963, theorem 4);
- so the product over looks, and a mixture over ρ of such products, is a non-negative supermartingale that begins at 1,
  and reaches 1/α *ever* with probability at most α (Ville 1939).

That is exact for requests that fail independently of each other at rates that the arms share, whatever those rates do
over time. Real failures come in bursts and by pods. Two guards hold the test back then; neither can ever make it
faster, so the bound above stays:

- the logarithm of the e-value is divided by a *dispersion* ≥ 1, estimated by Pearson's statistic between pods of one
  version and between blocks of looks (quasi-likelihood; McCullagh & Nelder 1989, section 4.5): as if there were that
  many times fewer requests;
- the e-value has to be reached without the look that speaks most against the new version, so that no single burst
  decides.

NOT a proof for such noise: see docs/explanation/rollouts.md for what is measured and what is not covered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.canary.evidence import Arm, Evidence
from detectors.canary.noise import NONE, Noise

ODDS: Final = np.geomspace(1.5, 48.0, 9)
"""How many times likelier to fail: the alternatives that the mixture holds, each with the same weight."""
FAILURES_PER_BLOCK: Final = 10.0
"""Looks are joined until so many requests failed: Pearson's statistic means nothing on fewer (Cochran 1954)."""
LONG: Final = 4
"""Blocks that are joined once more, for noise that lasts."""
LEAST_LONG: Final = 4
"""Long blocks below which nothing is said of lasting noise."""
PRIOR: Final = 2.0
"""Weight, in degrees of freedom, of there being no dispersion: a statistic on one or two says little."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Both arms summed over their pods at the looks where both were measured, shape (looks,) each."""

    at: NDArray[np.intp]
    requests: Floats
    failures: Floats
    other_requests: Floats
    other_failures: Floats

    @property
    def share(self) -> Floats:
        """The new version's share of the requests at each look."""
        return self.requests / (self.requests + self.other_requests)

    @property
    def failed(self) -> Floats:
        """Failures of both."""
        return self.failures + self.other_failures

    def until(self, look: int) -> Counts:
        """The first `look` of them."""
        return Counts(
            self.at[:look],
            self.requests[:look],
            self.failures[:look],
            self.other_requests[:look],
            self.other_failures[:look],
        )


def paired(evidence: Evidence) -> Counts:
    """The looks that compare: both arms measured, and both asked."""
    (requests, failures), (others, other_failures) = evidence.canary.known(), evidence.baseline.known()
    sums = [part.sum(axis=0) for part in (requests, failures, others, other_failures)]
    both = evidence.canary.measured & evidence.baseline.measured & (sums[0] > 0) & (sums[2] > 0)
    at = np.flatnonzero(both)
    return Counts(at, *(part[at] for part in sums))


def log_ratios(counts: Counts) -> Floats:
    """The logarithm of each look's likelihood ratio, shape (odds, looks)."""
    odds = ODDS[:, None]
    return np.asarray(
        counts.failures[None, :] * np.log(odds)
        - counts.failed[None, :] * np.log1p(counts.share[None, :] * (odds - 1.0))
    )


def mixture(logs: Floats) -> float:
    """The logarithm of the mean over the odds, of summed log ratios of shape (odds,)."""
    most = float(logs.max())
    return most + math.log(float(np.exp(logs - most).mean()))


@dataclass(frozen=True, slots=True)
class Looked:
    """The test after some look: its e-value as it counts, and what it was divided by. `log_e` is discounted, `within`
    the dispersion that the rollout itself shows.
    """

    log_e: float
    robust: float
    dispersion: float
    within: float

    @property
    def counts(self) -> float:
        """What is held against the bound: nothing that rests on one look alone."""
        return min(self.log_e, self.robust)


def looked(counts: Counts, canary: Arm, baseline: Arm, noise: Noise = NONE, *, whole: bool = False) -> Looked:
    """The test on everything so far. `whole`: the only look sums up everything, so leaving it out leaves nothing."""
    if not len(counts.at):
        return Looked(0.0, 0.0, 1.0, 1.0)
    ratios = log_ratios(counts)
    total = ratios.sum(axis=1)
    worst = int(ratios[int(total.argmax())].argmax())
    within = dispersion(counts, canary, baseline)
    spread = max(within, foreseen(counts, canary, baseline, noise))
    log_e = mixture(total)
    return Looked(log_e / spread, (log_e if whole else mixture(total - ratios[:, worst])) / spread, spread, within)


def dispersion(counts: Counts, canary: Arm, baseline: Arm) -> float:
    """By how much failures vary more than independent requests would, at least 1: the larger of pods and time."""
    columns = counts.at
    return max(1.0, between_pods((canary, baseline), columns), between_blocks(counts))


def foreseen(counts: Counts, canary: Arm, baseline: Arm, noise: Noise) -> float:
    """The dispersion that each version's own noise, as it was before, brings into a comparison of these counts.

    Chance alone leaves the log odds a variance of 1/I, I = Σ K w(1 − w). Looks weigh as they inform: ten looks of which
    one has nearly all failures are little more than one.
    """
    information = counts.failed * counts.share * (1.0 - counts.share)
    whole = float(information.sum())
    if whole <= 0.0 or noise == NONE:
        return 1.0
    over_time = 2.0 * noise.of_mean(whole**2 / float((information**2).sum()))
    pods = noise.between_pods * sum(1.0 / pods_alike(arm, counts.at) for arm in (canary, baseline))
    return 1.0 + whole * (over_time + pods)


def pods_alike(arm: Arm, columns: NDArray[np.intp]) -> float:
    """Pods of an arm, weighed by their requests: as many as would tell as much if all were asked alike."""
    requests = arm.known()[0][:, columns].sum(axis=1)
    return float(requests.sum() ** 2 / (requests**2).sum())


def between_pods(arms: tuple[Arm, ...], columns: NDArray[np.intp]) -> float:
    """Pearson's statistic of pods of one version against each other, both versions pooled.

    Each pod is expected to fail as its version did at that look, so that bad times do not count, bad pods do.
    """
    statistic, freedom = 0.0, 0
    for arm in arms:
        requests, failures = (part[:, columns] for part in arm.known())
        asked, failed = requests.sum(axis=0), failures.sum(axis=0)
        part = np.divide(requests, asked, out=np.zeros_like(requests), where=asked > 0)
        expected = (part * failed).sum(axis=1)
        variance = (part * (1.0 - part) * failed).sum(axis=1)
        judged = variance > FAILURES_PER_BLOCK / 4.0
        if judged.sum() < 2:
            continue
        off = failures.sum(axis=1) - expected
        # The pods' sums are tied: their total is the version's.
        statistic += float((off[judged] ** 2 / variance[judged]).sum()) * (judged.sum() - 1) / judged.sum()
        freedom += int(judged.sum()) - 1
    return (statistic + PRIOR) / (freedom + PRIOR)


def between_blocks(counts: Counts) -> float:
    """Pearson's statistic of blocks of looks against the split of failures over all of them, and of long blocks."""
    blocks = joined(counts)
    found = [pearson(*blocks)]
    long = tuple(np.add.reduceat(part, np.arange(0, len(part), LONG)) for part in blocks) if len(blocks[0]) else blocks
    if len(blocks[0]) >= LONG * LEAST_LONG:
        found.append(pearson(*long))
    return max(found)


def joined(counts: Counts) -> tuple[Floats, Floats, Floats]:
    """Failures of the new version, what would be expected of it under the fitted odds, and its variance, by block."""
    odds = fitted(counts)
    chance = counts.share * odds / (1.0 + counts.share * (odds - 1.0))
    expected, variance = counts.failed * chance, counts.failed * chance * (1.0 - chance)
    block = np.floor(np.cumsum(counts.failed) / FAILURES_PER_BLOCK - 1e-9)
    first = np.flatnonzero(np.diff(block, prepend=-1.0))
    if not len(first):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    sums = [np.add.reduceat(part, first) for part in (counts.failures, expected, variance)]
    return sums[0], sums[1], sums[2]


def pearson(seen: Floats, expected: Floats, variance: Floats) -> float:
    """The statistic per degree of freedom, drawn towards 1."""
    judged = variance > 1.0
    freedom = max(0, int(judged.sum()) - 1)
    if not freedom:
        return 1.0
    statistic = float(((seen[judged] - expected[judged]) ** 2 / variance[judged]).sum())
    return (statistic + PRIOR) / (freedom + PRIOR)


def fitted(counts: Counts) -> float:
    """How many times likelier the new version's requests are to fail, by what was counted."""
    ratio = (counts.failures.sum() + 0.5) / (counts.other_failures.sum() + 0.5)
    return float(ratio * counts.other_requests.sum() / counts.requests.sum())
