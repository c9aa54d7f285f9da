"""Simulated rollouts with noise, and how often the judge is wrong about them: `python -m tests.detectors.rollouts`.

The figures of docs/explanation/rollouts.md. Not the generator that the judge will be certified by: its noise families
are wider.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.canary.evidence import Arm, Evidence
from detectors.canary.verdict import Sequential

STEP = 15.0
ALPHA = 0.01


@dataclass(frozen=True)
class Noise:
    """Noise of the logarithm of the failure rate, for each version by itself: standard deviation over time, how much of
    it lasts from look to look, and standard deviation between pods.
    """

    spread: float = 0.0
    lasting: float = 0.0
    pods: float = 0.0


def simulated(
    seed: int, noise: Noise, *, looks: int = 60, rate: float = 100.0, share: float = 0.005, times: float = 1.0
) -> Evidence:
    """A rollout of three pods beside three, at `rate` requests a second in all; the new version fails `times` as
    often.
    """
    chance = np.random.default_rng(seed)

    def arm(usual: float) -> Arm:
        state, levels = chance.normal() * noise.spread, []
        for _ in range(looks):
            levels.append(state)
            state = noise.lasting * state + math.sqrt(1 - noise.lasting**2) * noise.spread * chance.normal()
        own = chance.normal(size=(3, 1)) * noise.pods
        failing: NDArray[np.float64] = np.minimum(usual * np.exp(own + np.array(levels)), 1.0)
        requests = chance.poisson(rate * STEP / 6, (3, looks))
        return Arm(requests.astype(np.float64), chance.binomial(requests, failing).astype(np.float64))

    return Evidence(STEP * np.arange(looks, dtype=np.float64), arm(share * times), arm(share))


CASES: dict[str, tuple[Noise, float, float]] = {
    "no noise": (Noise(), 100.0, 1.0),
    "no noise, 1,000/s": (Noise(), 1000.0, 1.0),
    "bursts (0.5)": (Noise(0.5), 100.0, 1.0),
    "lasting bursts (0.5, 0.5)": (Noise(0.5, 0.5), 100.0, 1.0),
    "lasting bursts (0.5, 0.8), 1,000/s": (Noise(0.5, 0.8), 1000.0, 1.0),
    "pods (0.2)": (Noise(pods=0.2), 100.0, 1.0),
    "pods (0.2), 1,000/s": (Noise(pods=0.2), 1000.0, 1.0),
    "4 times the failures": (Noise(), 100.0, 4.0),
    "4 times, lasting bursts (0.5, 0.5)": (Noise(0.5, 0.5), 100.0, 4.0),
    "twice the failures": (Noise(), 100.0, 2.0),
}


def main(episodes: int) -> None:
    """Print one row a case: shares of verdicts after 15 minutes, and the median time to a rollback."""
    for name, (noise, rate, times) in CASES.items():
        found: Counter[str] = Counter()
        when: list[int] = []
        for seed in range(episodes):
            verdict = Sequential().judge(simulated(seed, noise, rate=rate, times=times), ALPHA)
            found[type(verdict).__name__] += 1
            if type(verdict).__name__ == "RollBack":
                when.append(verdict.measured.looks)  # type: ignore[union-attr]  # a RollBack
        median = f"{STEP * float(np.median(when)):.0f} s" if when else "–"
        shares = " | ".join(f"{100 * found[kind] / episodes:.1f} %" for kind in ("RollBack", "Hold", "Promote"))
        print(f"| {name} | {shares} | {median} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
