"""Which pods the failures come from, told from the counters of each."""

import numpy as np
import pytest

from controller.core.arms import Counters
from controller.core.culprits import Culprits, culprits
from detectors.series import HEALTHY, DataHealth, Problem

PODS = tuple("abcdef")
DOUBT = DataHealth(frozenset({Problem.DUPLICATE}), "twice")


def counted(*failed: float, asked: float = 1000, health: DataHealth = HEALTHY) -> Counters:
    """So many failures of each pod, and as many requests of all, over three points."""
    rising = np.array([0.0, 0.5, 1.0])
    pods = PODS[: len(failed)]
    return Counters(
        dict.fromkeys(pods, 7 + asked * rising),
        {pod: 3 + count * rising for pod, count in zip(pods, failed, strict=True)},
        3,
        health,
    )


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ((0, 300, 0, 300, 0, 0), Culprits(2, 6, 1.0, 0.0)),
        ((4, 388, 4, 0, 0, 4), Culprits(1, 6, 0.97, 0.0024)),
        ((100, 100, 100, 100, 100, 100), Culprits(6, 6, 1.0, 0.1)),
        ((5, 5, 5, 0, 0, 0), None),
    ],
    ids=["two of six", "one, and a few errors elsewhere", "all alike", "too few to say"],
)
def test_the_fewest_pods_that_give_nearly_all_failures(failed: tuple[float, ...], expected: Culprits | None) -> None:
    assert culprits(counted(*failed), PODS) == expected


def test_a_pod_that_nobody_counted_or_hardly_anybody_asked_leaves_it_unknown() -> None:
    """It might be the one, or the only one that serves."""
    assert culprits(counted(0, 300), ("a", "b", "not-scraped")) is None
    assert culprits(counted(0, 300, asked=10), ("a", "b")) is None
    assert culprits(counted(0, 300, health=DOUBT), ("a", "b")) is None
