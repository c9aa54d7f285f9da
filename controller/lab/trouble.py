"""The faults of a scenario as they come and go: what they make of the ground that the physics stands on."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from controller.lab import faults as kinds
from controller.lab import nodes
from controller.lab.faults import Fault
from controller.lab.flow import Ground
from controller.lab.latency import Floats
from controller.lab.state import State


class Trouble:
    """Which faults are running now. `begun` are those that started with the last look, for what they write."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._names = [service.name for service in state.scenario.services]
        self._node_names = list(state.scenario.node_names)
        self._waiting = sorted(state.scenario.faults, key=lambda fault: fault.at)
        self.running: list[Fault] = []
        self.begun: list[Fault] = []
        self.metrics_down: str | None = None
        self.factors: Floats = np.ones(len(self._names))
        self.ground = self._ground()

    def look(self) -> None:
        """Begin and end what is due."""
        t = self._state.t
        self.begun = []
        ended = [fault for fault in self.running if fault.until <= t]
        while self._waiting and self._waiting[0].at <= t:
            self.begun.append(self._waiting.pop(0))
        if not self.begun and not ended and not self._surging():
            return
        self.running = [fault for fault in (*self.running, *self.begun) if fault.until > t]
        for fault in self.begun:
            if isinstance(fault, kinds.NodeLoss):
                nodes.lose(self._state, self._node_names.index(fault.node), fault.evict_after)
        for fault in ended:
            if isinstance(fault, kinds.NodeLoss):
                nodes.come_back(self._state, self._node_names.index(fault.node))
        self.ground = self._ground()

    def add(self, fault: Fault) -> None:
        """One more fault, from now on; its `at` counts from the lab's beginning."""
        self._waiting = sorted([*self._waiting, fault], key=lambda one: one.at)

    def _surging(self) -> bool:
        return any(isinstance(fault, kinds.RetryStorm) for fault in self.running)

    def _ground(self) -> Ground:
        state, count = self._state, len(self._names)
        services = state.scenario.services
        ground = Ground(
            retries=np.array([float(service.retries) for service in services]),
            patience=np.full(count, np.inf),
            failing=np.zeros(count),
            delay=np.zeros(count),
            leak=np.zeros(count),
            leak_spread=np.zeros(count),
            leak_most=np.full(count, np.inf),
            disk=np.zeros(count),
            disk_failing=np.zeros(count),
            disk_room=np.array([float(service.disk) for service in services]),
            node_cores=np.array([node.cores for node in state.nodes]),
            node_noise=np.zeros(len(state.nodes)),
            node_dead=np.append(np.array([node.dead is not None for node in state.nodes], np.bool_), False),
        )
        self.factors = np.ones(count)
        self.metrics_down = None
        for fault in self.running:
            self._weigh(ground, fault)
        return ground

    def _weigh(self, ground: Ground, fault: Fault) -> None:
        match fault:
            case kinds.Leak():
                place = self._names.index(fault.service)
                ground.leak[place] += fault.per_minute / 60.0
                ground.leak_spread[place] = fault.spread
                if fault.up_to is not None:
                    base = self._state.scenario.services[place].memory.base
                    ground.leak_most[place] = max(0.0, fault.up_to - base)
            case kinds.DependencyOutage():
                place = self._names.index(fault.service)
                ground.failing[place] = 1.0 - (1.0 - ground.failing[place]) * (1.0 - fault.failing)
                ground.delay[place] += fault.delay
            case kinds.NoisyNeighbour():
                ground.node_noise[self._node_names.index(fault.node)] += fault.cores
            case kinds.DiskFilling():
                place = self._names.index(fault.service)
                ground.disk[place] += fault.per_minute / 60.0
                ground.disk_failing[place] = max(ground.disk_failing[place], fault.failing)
            case kinds.RetryStorm():
                place = self._names.index(fault.service)
                ground.retries[place] = max(ground.retries[place], float(fault.retries))
                ground.patience[place] = min(ground.patience[place], fault.patience)
                if self._state.t < fault.at + fault.surge_for:
                    self.factors[place] *= fault.surge
            case kinds.Burst():
                self.factors[self._names.index(fault.service)] *= fault.factor
            case kinds.PrometheusOutage():
                self.metrics_down = fault.reason
            case (
                kinds.CrashLoop()
                | kinds.BadCanary()
                | kinds.Rollout()
                | kinds.WrongConfiguration()
                | kinds.NodeLoss()
                | kinds.Nothing()
            ):
                pass
            case _:
                assert_never(fault)
