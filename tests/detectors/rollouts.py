"""Simulated rollouts with noise, and how often the judge is wrong about them: `python -m tests.detectors.rollouts`.

The figures of docs/explanation/rollouts.md. Not the generator that the judge will be certified by: its noise families
are wider.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.canary.evidence import Arm, Evidence
from detectors.canary.verdict import Sequential
from detectors.results import RollBack

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
    seed: int,
    noise: Noise,
    *,
    looks: int = 60,
    rate: float = 100.0,
    share: float = 0.005,
    times: float = 1.0,
    before: int = 0,
) -> Evidence:
    """A rollout of three pods beside three, at `rate` requests a second in all; the new version fails `times` as
    often. `before`: looks at the old version alone that are known.
    """
    chance = np.random.default_rng(seed)

    def arm(usual: float, alone: int) -> tuple[Arm, Arm]:
        """What it counts alone (with all of the load), and then beside the other."""
        state, levels = chance.normal() * noise.spread, []
        for _ in range(alone + looks):
            levels.append(state)
            state = noise.lasting * state + math.sqrt(1 - noise.lasting**2) * noise.spread * chance.normal()
        own = chance.normal(size=(3, 1)) * noise.pods
        failing: NDArray[np.float64] = np.minimum(usual * np.exp(own + np.array(levels)), 1.0)
        each = rate * STEP / 6 * np.where(np.arange(alone + looks) < alone, 2.0, 1.0)
        requests = chance.poisson(each, (3, alone + looks))
        asked, failed = requests.astype(np.float64), chance.binomial(requests, failing).astype(np.float64)
        return Arm(asked[:, :alone], failed[:, :alone]), Arm(asked[:, alone:], failed[:, alone:])

    (past, old), (_, new) = arm(share, before), arm(share * times, 0)
    return Evidence(STEP * np.arange(looks, dtype=np.float64), new, old, before=past if before else None)


CASES: dict[str, tuple[Noise, float, float]] = {
    "none, 100 requests/s": (Noise(), 100.0, 1.0),
    "none, 1,000/s": (Noise(), 1000.0, 1.0),
    "bursts 0.5": (Noise(0.5), 100.0, 1.0),
    "bursts 0.5, half of it lasting from look to look": (Noise(0.5, 0.5), 100.0, 1.0),
    "bursts 0.25, 80 % of it lasting, 1,000/s": (Noise(0.25, 0.8), 1000.0, 1.0),
    "bursts 0.5, 80 % of it lasting, 1,000/s": (Noise(0.5, 0.8), 1000.0, 1.0),
    "bursts 1, 80 % of it lasting, 1,000/s": (Noise(1.0, 0.8), 1000.0, 1.0),
    "bursts 1, 80 % of it lasting, 10/s": (Noise(1.0, 0.8), 10.0, 1.0),
    "pods 0.2": (Noise(pods=0.2), 100.0, 1.0),
    "pods 0.2, 1,000/s": (Noise(pods=0.2), 1000.0, 1.0),
    "none, *4 times the failures*": (Noise(), 100.0, 4.0),
    "none, *4 times the failures*, 1,000/s": (Noise(), 1000.0, 4.0),
    "bursts 0.25, half lasting, *4 times the failures*": (Noise(0.25, 0.5), 100.0, 4.0),
    "bursts 0.5, 80 % lasting, *4 times the failures*, 1,000/s": (Noise(0.5, 0.8), 1000.0, 4.0),
    "pods 0.2, *4 times the failures*": (Noise(pods=0.2), 100.0, 4.0),
    "none, *twice the failures*": (Noise(), 100.0, 2.0),
    "none, *twice the failures*, 1,000/s": (Noise(), 1000.0, 2.0),
    "bursts 0.25, half lasting, *twice the failures*, 1,000/s": (Noise(0.25, 0.5), 1000.0, 2.0),
}
BEFORE = (0, 120)
"""Looks before the rollout that are known: none, and as many as are asked for."""


def main(episodes: int) -> None:
    """Print one row a case: the share rolled back within 15 minutes and the median time to it, each with nothing known
    of the time before and with what is asked for.
    """
    for name, (noise, rate, times) in CASES.items():
        cells = (row(noise, rate, times, before, episodes) for before in BEFORE)
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def row(noise: Noise, rate: float, times: float, before: int, episodes: int) -> str:
    """The share rolled back, and the median time of all to that (– where fewer than half ever are)."""
    looks = []
    for seed in range(episodes):
        verdict = Sequential().judge(simulated(seed, noise, rate=rate, times=times, before=before), ALPHA)
        looks.append(verdict.measured.looks if isinstance(verdict, RollBack) else math.inf)
    share, median = float(np.isfinite(looks).mean()), float(np.median(looks))
    return f"{100 * share:.1f} % | {STEP * median:.0f} s" if math.isfinite(median) else f"{100 * share:.1f} % | –"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
