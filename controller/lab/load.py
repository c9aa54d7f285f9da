"""The load offered from outside: what a trace or a shape says, with noise, bursts and the chance of arrivals.

Promises that the load depends on the seed and on nothing that happens in the fleet: the same seed offers the same
requests to every policy. One step is a slot of 15 s. Bursts are drawn by the day, noise and arrivals along time.
"""

from __future__ import annotations

import math

import numpy as np

from controller.lab.latency import Floats
from controller.lab.parts import DAY, Load
from controller.lab.scenario import Scenario
from controller.lab.trace import Trace

SLOT = 15.0
"""Seconds in which the load is even."""

_CHUNK = 240
_BURSTS, _NOISE, _PAST = 1, 2, 3


class Offered:
    """The load of every service, requests per second; a service without one is offered nothing."""

    def __init__(self, scenario: Scenario, seed: int, begin: float) -> None:
        self._seed, self._begin = seed, begin
        self._shapes = [_Shape(service.load, scenario, begin) for service in scenario.services]
        self._drawing = np.random.default_rng([seed, _NOISE])
        self._sd = np.array([shape.noise_sd for shape in self._shapes])
        self._phi = np.array([shape.noise_phi for shape in self._shapes])
        self._state = self._drawing.normal(size=len(self._shapes)) * self._sd
        self._first = 0
        self._chunk: Floats = np.zeros((0, len(self._shapes)))

    def mean(self, times: Floats) -> Floats:
        """What is to be expected, bursts included, shape (times, services)."""
        columns = [shape.at(times) * self._bursts(index, shape, times) for index, shape in enumerate(self._shapes)]
        return np.stack(columns, axis=1)

    def slot(self, number: int) -> Floats:
        """Requests per second in a slot since the beginning; slots are asked for in order."""
        while number >= self._first + len(self._chunk):
            self._first += len(self._chunk)
            self._chunk = self._drawn(self._first)
        row: Floats = self._chunk[number - self._first]
        return row

    def past(self, times: Floats, lengths: Floats) -> Floats:
        """Requests that arrived in intervals before the beginning, (intervals, services): counts."""
        drawing = np.random.default_rng([self._seed, _PAST])
        steps: Floats = np.maximum(lengths / SLOT, 1.0)[:, None]
        phi = self._phi[None, :]
        averaged = (1 + phi) / (1 - phi) / steps - 2 * phi * (1 - phi**steps) / (steps * (1 - phi)) ** 2
        sd = self._sd[None, :] * np.sqrt(np.minimum(1.0, averaged))
        level = _autoregressed(drawing.normal(size=(len(times), len(self._shapes))), phi**steps) * sd
        expected = self.mean(times) * np.exp(level - sd**2 / 2) * lengths[:, None]
        return np.asarray(drawing.poisson(expected), np.float64)

    def _drawn(self, first: int) -> Floats:
        times: Floats = self._begin + (first + 0.5 + np.arange(_CHUNK, dtype=np.float64)) * SLOT
        shocks = self._drawing.normal(size=(_CHUNK, len(self._shapes))) * self._sd * np.sqrt(1 - self._phi**2)
        level = np.empty_like(shocks)
        state = self._state
        for place in range(_CHUNK):
            state = self._phi * state + shocks[place]
            level[place] = state
        self._state = state
        expected = self.mean(times) * np.exp(level - self._sd**2 / 2)
        return np.asarray(self._drawing.poisson(expected * SLOT) / SLOT, np.float64)

    def _bursts(self, index: int, shape: _Shape, times: Floats) -> Floats:
        factor = np.ones(len(times))
        bursts = None if shape.load is None else shape.load.bursts
        if bursts is None or not len(times):
            return factor
        for day in range(math.floor((times[0] - bursts.lasting) / DAY), math.floor(times[-1] / DAY) + 1):
            drawing = np.random.default_rng([self._seed, _BURSTS, index, day])
            for start in day * DAY + np.sort(drawing.uniform(0, DAY, drawing.poisson(bursts.per_day))):
                factor[(times >= start) & (times < start + bursts.lasting)] *= bursts.factor
        return factor


def _autoregressed(shocks: Floats, phi: Floats) -> Floats:
    """AR(1) with variance one; `phi` per step and column."""
    state = shocks[0]
    levels = np.empty_like(shocks)
    levels[0] = state
    scale = np.sqrt(1 - phi**2)
    for place in range(1, len(shocks)):
        state = phi[place] * state + scale[place] * shocks[place]
        levels[place] = state
    return levels


class _Shape:
    """One service's expected load at any time."""

    def __init__(self, load: Load | None, scenario: Scenario, begin: float) -> None:
        self.load = load
        self.noise_sd = 0.0 if load is None else load.noise.sd
        self.noise_phi = 0.0 if load is None else load.noise.phi
        self._trace: Trace | None = None
        self._shift, self._scale = 0.0, 1.0
        if load is not None and load.trace is not None and load.peak is not None:
            self._trace = scenario.traces[load.trace].smoothed(load.smooth)
            self._scale = load.peak / max(float(np.quantile(self._trace.values, 0.999)), 1e-9)
            if load.begins is not None:
                self._shift = load.begins.timestamp() - begin

    def at(self, times: Floats) -> Floats:
        if self._trace is not None:
            return np.asarray(self._trace.at(times + self._shift) * self._scale)
        if self.load is None or self.load.rate is None:
            return np.zeros(len(times))
        load, angle = self.load, 2 * math.pi / DAY
        day = 1 + load.daily * np.cos((np.mod(times, DAY) - load.peak_at) * angle)
        # 1970-01-01 was a Thursday: days 2 and 3 of each such week are the weekend.
        weekday = np.mod(np.floor(times / DAY), 7)
        week = np.where((weekday == 2) | (weekday == 3), 1 - load.weekly, 1.0)
        return np.asarray(float(load.rate or 0.0) * day * week)
