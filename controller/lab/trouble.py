"""The faults of a scenario as they come and go: what they make of the ground that the physics stands on."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from controller.lab import faults as kinds
from controller.lab import nodes
from controller.lab.faults import Fault
from controller.lab.flow import Ground
from controller.lab.state import State


class Trouble:
    """Which faults are running now. `begun` are those that started with the last look, for what they write.

    A fault begins with the look that first sees it, and lasts from then on for as long as it says.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._names = [service.name for service in state.scenario.services]
        self._node_names = list(state.scenario.node_names)
        self._waiting = sorted(state.scenario.faults, key=lambda fault: fault.at)
        self.running: list[Fault] = []
        self.begun: list[Fault] = []
        self.metrics_down: str | None = None
        self.scrapeless = False
        self.ground = self._ground()

    def look(self) -> None:
        """Begin and end what is due."""
        t = self._state.t
        lasting = [fault for fault in self.running if fault.until > t]
        self.begun = []
        while self._waiting and self._waiting[0].at <= t:
            fault = self._waiting.pop(0)
            self.begun.append(fault.model_copy(update={"at": max(fault.at, t)}))
        changed = bool(self.begun) or len(lasting) < len(self.running)
        self.running = [*lasting, *self.begun]
        if changed:
            self._live_and_die()
        if changed or self._surging():
            self.ground = self._ground()

    def add(self, fault: Fault) -> None:
        """One more fault; its `at` counts from the lab's beginning, the past means now."""
        self._waiting = sorted([*self._waiting, fault], key=lambda one: one.at)

    def _live_and_die(self) -> None:
        """Nodes die and come back."""
        losses = {self._node_names.index(one.node): one for one in self.running if isinstance(one, kinds.NodeLoss)}
        for index, node in enumerate(self._state.nodes):
            if index in losses and node.dead is None:
                nodes.lose(self._state, index, losses[index].evict_after)
            elif index not in losses and node.dead is not None:
                nodes.come_back(self._state, index)

    def _surging(self) -> bool:
        return any(isinstance(fault, kinds.RetryStorm) for fault in self.running)

    def _ground(self) -> Ground:
        state, count = self._state, len(self._names)
        services = state.scenario.services
        ground = Ground(
            surge=np.ones(count),
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
            node_dead=np.array([*(node.dead is not None for node in state.nodes), False]),
        )
        self.metrics_down, self.scrapeless = None, False
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
                    ground.surge[place] *= fault.surge
            case kinds.Burst():
                ground.surge[self._names.index(fault.service)] *= fault.factor
            case kinds.PrometheusOutage():
                self.metrics_down = fault.reason
                self.scrapeless = self.scrapeless or not fault.scraping
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
