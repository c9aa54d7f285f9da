"""What was answered, by how long it took: counts under the edges, by pod and by service.

Promises that every answer is counted once, and a time-out as long as it waited. Pods keep histograms of their own in
fine ticks only; else a service's are counted once in four ticks, at the mean of its pods then.
"""

from __future__ import annotations

import numpy as np

from controller.lab.fleet import Fleet
from controller.lab.latency import EDGES, Floats, Mixture, shares

_EDGES = np.array(EDGES)
_TOGETHER = 4


class Histograms:
    """Counts along; `timeouts` are those of the services in seconds."""

    def __init__(self, timeouts: Floats) -> None:
        self._late_under = timeouts[:, None] <= _EDGES
        self._owed, self._owed_late = np.zeros(len(timeouts)), np.zeros(len(timeouts))
        self._rest = _TOGETHER

    def by_pod(self, fleet: Fleet, served: Floats, late: Floats, delayed: Floats) -> Floats:
        """One tick by service, kept by pod as well: requests `served` after `delayed` seconds, and `late` ones."""
        n = fleet.size
        counts = served[:, None] * shares(*fleet.mixture(slice(n)), delayed)
        counts += late[:, None] * (fleet.timeout[:n, None] <= _EDGES)
        fleet.latency[:n] += counts
        sums = self._paid(fleet, served, delayed)
        np.add.at(sums, fleet.service[:n], counts)
        return sums

    def by_service(self, fleet: Fleet, served: Floats, late: Floats, delayed: Floats) -> Floats:
        """One tick by service; what it does not count yet is owed."""
        service, count = fleet.service[: fleet.size], len(self._owed)
        self._owed += np.bincount(service, served, count)
        self._owed_late += np.bincount(service, late, count)
        self._rest -= 1
        if self._rest > 0:
            return np.zeros((count, len(EDGES)))
        self._rest = _TOGETHER
        return self._paid(fleet, served, delayed)

    def _paid(self, fleet: Fleet, served: Floats, delayed: Floats) -> Floats:
        """What is owed; a service that answers nothing just now is paid another time."""
        count = len(self._owed)
        if not self._owed.any() and not self._owed_late.any():
            return np.zeros((count, len(EDGES)))
        n = fleet.size
        service = fleet.service[:n]
        answers = np.bincount(service, served, count)
        answering, total = answers > 0, np.maximum(answers, 1e-9)

        def average(column: Floats) -> Floats:
            return np.where(answering, np.bincount(service, served * column, count) / total, 1.0)

        means = Mixture(*map(average, fleet.mixture(slice(n))))
        counts = np.where(answering, self._owed, 0.0)
        buckets = counts[:, None] * shares(*means, average(delayed)) + self._owed_late[:, None] * self._late_under
        self._owed, self._owed_late = self._owed - counts, np.zeros(count)
        return np.asarray(buckets)
