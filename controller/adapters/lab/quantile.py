"""Quantiles out of histograms, as Prometheus makes them (promql/quantile.go, bucketQuantile)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def histogram_quantile(
    quantile: float, buckets: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The quantile of histograms whose last axis counts up to each edge, the last edge being infinite.

    Linear within a bucket, whose lower bound is 0 for the first; in the last bucket the highest finite edge. NaN where
    nothing was counted.
    """
    total = buckets[..., -1]
    rank = quantile * total
    index = np.minimum((buckets < rank[..., None]).sum(axis=-1), len(edges) - 1)
    lower = np.concatenate(([0.0], edges[:-1]))[index]
    before = np.take_along_axis(
        np.concatenate((np.zeros_like(buckets[..., :1]), buckets), axis=-1), index[..., None], -1
    )
    inside = np.take_along_axis(buckets, index[..., None], -1) - before
    finite = np.minimum(edges[index], edges[-2])
    with np.errstate(divide="ignore", invalid="ignore"):
        value = lower + (finite - lower) * np.where(inside > 0, (rank[..., None] - before) / inside, 0.0)[..., 0]
    value = np.where(index == len(edges) - 1, edges[-2], value)
    return np.where(total > 0, value, np.nan)
