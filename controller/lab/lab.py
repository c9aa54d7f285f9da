"""The lab: a scenario played in virtual time.

Promises that the same scenario, seed and writes give the same fleet to the last bit, that time moves only through
`advance`, in ticks of 5 s from the beginning, and that every number it shows comes from the physics. With `coarse` a
tick is 15 s and objects are shown at the end only: for weeks that nobody looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from controller.kinds import AUTOSCALERS, BUDGETS, PODS, REPLICA_SETS
from controller.lab import deployments, disruption, kubelet, manifests, nodes, scaling, showing
from controller.lab.apiserver import MemoryObjects
from controller.lab.counters import Counters, PodName
from controller.lab.faults import Fault, RolledOut, WrongConfiguration
from controller.lab.fleet import Phase
from controller.lab.flow import Flow, summed
from controller.lab.furnishing import autoscaler, control, created, furnish
from controller.lab.latency import Floats
from controller.lab.load import SLOT, Offered
from controller.lab.past import past
from controller.lab.scenario import Scenario
from controller.lab.score import Score, Scoring
from controller.lab.state import Deployment, State
from controller.lab.trouble import Trouble
from controller.lab.writing import KINDS, Writing, Written
from detectors.series import Workload
from remediations.cluster import ApplyResult, Gone, World
from remediations.owners import controlled_by
from remediations.plan import PatchOp, Step

TICK, COARSE_TICK = 5.0, 15.0
_FLEET, _FLOW = 10, 11
LOAD_WINDOW = 60.0


class Lab:
    """One fleet, its API objects, its counters and its score."""

    def __init__(self, scenario: Scenario, seed: int, begin: datetime, objects: MemoryObjects) -> None:
        if begin.tzinfo is None:
            raise ValueError(f"{begin!r} has no time zone")
        self.scenario, self.seed, self.objects = scenario, seed, objects
        self.begin = begin.astimezone(UTC)
        self._now = self.begin
        self._state = State(scenario, self.begin, np.random.default_rng([seed, _FLEET]))
        self._flow, self._drawing = Flow(scenario), np.random.default_rng([seed, _FLOW])
        epoch = self.begin.timestamp()
        self._offered = Offered(scenario, seed, epoch)
        self._workloads = tuple(Workload(one.namespace, "Deployment", one.name, "apps/v1") for one in scenario.services)
        times, rows = past(scenario, self._offered, seed, epoch)
        self.counters = Counters(self._workloads, times, rows)
        self._scoring = Scoring(scenario, self._workloads)
        self._writing = Writing(objects, lambda: self._now, self._take_in)
        self._budgets = furnish(self._state, objects, rows[-1, :, 3], (rows[-1, :, 2] - rows[-2, :, 2]) / SLOT)
        self._trouble = Trouble(self._state)
        control(self._state)
        showing.show(self._state, self._budgets, objects)

    # what is asked of it

    @property
    def now(self) -> datetime:
        """Virtual UTC time."""
        return self._now

    @property
    def running(self) -> tuple[Fault, ...]:
        """The faults that are in effect."""
        return tuple(self._trouble.running)

    @property
    def metrics_down(self) -> str | None:
        """Why Prometheus does not answer; None while it does."""
        return self._trouble.metrics_down

    @property
    def score(self) -> Score:
        """So far."""
        return self._scoring.score(self._state.evictions)

    @property
    def writes(self) -> tuple[Written, ...]:
        """Every write that came through, oldest first, those of others included."""
        return tuple(self._writing.log)

    def advance(self, until: datetime, *, coarse: bool = False) -> None:
        """Play up to this time; it need not lie on a tick, and never lies in the past."""
        target = (until - self.begin).total_seconds()
        if until < self._now:
            raise ValueError(
                f"time runs forward only: it is {self._now:%H:%M:%S}, not yet or no longer {until:%H:%M:%S}"
            )
        state = self._state
        while state.t + TICK <= target:
            wide = coarse and state.t % COARSE_TICK == 0 and state.t + COARSE_TICK <= target
            self._tick(COARSE_TICK if wide else TICK, by_pod=not coarse)
            if not coarse:
                showing.show(state, self._budgets, self.objects)
        if coarse:
            showing.show(state, self._budgets, self.objects)
        self._now = until

    def look(self, workload: Workload) -> World | Gone:
        """One reading, as a cluster answers it."""
        kind = KINDS.get((workload.api_version, workload.kind))
        found = None if kind is None else self.objects.get(kind, workload.namespace, workload.name)
        if found is None:
            return Gone(f"{workload.key} is not there")
        uid = str(found["metadata"]["uid"])
        sets = tuple(one for one in self.objects.all(REPLICA_SETS, workload.namespace) if controlled_by(one, uid))
        owners = {str(one["metadata"]["uid"]) for one in sets} | {uid}
        pods = tuple(
            one
            for one in self.objects.all(PODS, workload.namespace)
            if any(controlled_by(one, owner) for owner in owners)
        )
        template = (found.get("spec") or {}).get("template") or {}
        labels = (template.get("metadata") or {}).get("labels") or {}
        budgets = tuple(one for one in self.objects.all(BUDGETS, workload.namespace) if _selects(one, labels))
        return World(
            workload=workload,
            object=found,
            read_at=self._now,
            replica_sets=sets,
            pods=pods,
            budgets=budgets,
            autoscaler=next(
                (one for one in self.objects.all(AUTOSCALERS, workload.namespace) if _scales(one, workload)), None
            ),
        )

    def apply(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """One step of ours, as `Cluster.apply`."""
        return self._writing.apply(step, resource_version, dry_run=dry_run)

    def release(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """Give up what a step held, as `Cluster.release`."""
        return self._writing.release(step, resource_version, dry_run=dry_run)

    def fence(self, workload: Workload, uid: str, epoch: int) -> ApplyResult:
        """Write the epoch, as `Cluster.fence`."""
        return self._writing.fence(workload, uid, epoch)

    def act_as(self, manager: str, workload: Workload, *patch: PatchOp) -> ApplyResult:
        """A plain write by somebody else, unlocked."""
        return self._writing.act_as(manager, workload, patch)

    def claim(self, manager: str, workload: Workload, *patch: PatchOp, force: bool = False) -> ApplyResult:
        """A server-side apply by somebody else, as `kubectl apply --server-side`."""
        return self._writing.claim(manager, workload, patch, force=force)

    def roll_out(self, workload: Workload, version: str, manager: str = "helm") -> ApplyResult:
        """Set the image, and the environment, of one of the scenario's versions."""
        service = self.scenario.services[self._workloads.index(workload)]
        env = [{"name": name, "value": value} for name, value in service.versions[version].env.items()]
        container = "/spec/template/spec/containers/0"
        patch = [PatchOp("replace", f"{container}/image", service.image(version))]
        if env:
            patch.append(PatchOp("add", f"{container}/env", env))  # type: ignore[arg-type]  # a list of maps of text is JSON
        return self.act_as(manager, workload, *patch)

    def evict(self, namespace: str, pod: str) -> disruption.Eviction:
        """Ask for a pod to go, as the Eviction API."""
        answer = disruption.evict(self._state, self._budgets, namespace, pod)
        showing.show(self._state, self._budgets, self.objects)
        return answer

    def delete(self, workload: Workload) -> None:
        """Somebody deletes a Deployment with its pods, or an HPA."""
        self.objects.take_away(KINDS[workload.api_version, workload.kind], workload.namespace, workload.name)
        if workload.kind == "HorizontalPodAutoscaler":
            self._state.autoscalers = [one for one in self._state.autoscalers if not _is(one.object, workload)]
            return
        deployment = self._deployment(workload)
        deployment.absent = True
        deployment.object["spec"]["replicas"] = 0
        deployments.read_spec(self._state, deployment)
        control(self._state)

    def create(self, workload: Workload) -> None:
        """Somebody creates it anew, by the scenario's manifest: another object of the name, with pods yet to start."""
        service = self.scenario.services[self._workloads.index(_scaled(workload))]
        if workload.kind == "HorizontalPodAutoscaler":
            self._state.autoscalers.append(
                autoscaler(self._state, self._workloads.index(_scaled(workload)), service.replicas)
            )
        else:
            deployment = self._deployment(workload)
            self._state.gone_sets += deployment.replica_sets
            deployment.replica_sets = []
            made = created(self._state, manifests.deployment(service, service.replicas), service.by)
            fresh = Deployment(deployment.service, made, service.replicas)
            self._state.deployments[deployment.service] = fresh
            deployments.read_spec(self._state, fresh)
            control(self._state)
        showing.show(self._state, self._budgets, self.objects)

    def _deployment(self, workload: Workload) -> Deployment:
        return next(one for one in self._state.deployments if _is(one.object, workload))

    def strike(self, fault: Fault) -> None:
        """One more fault; its `at` counts from the lab's beginning, the past means now."""
        self._trouble.add(fault)

    # physics

    def _tick(self, dt: float, *, by_pod: bool) -> None:
        state, fleet = self._state, self._state.fleet
        trouble = self._trouble
        offered = self._offered.slot(int(state.t // SLOT))
        tick = self._flow.tick(fleet, trouble.ground, offered, dt, self._drawing, by_pod=by_pod)
        state.t += dt
        self._now = state.at(state.t)
        state.lost[:] = 0.0
        kubelet.kill_for_memory(state)
        kubelet.due(state)
        nodes.watch(state)
        trouble.look()
        self._strike(trouble.begun)
        control(self._state)
        failed = tick.failed + state.lost
        self.counters.add(tick.answered + state.lost, failed, tick.cpu, tick.buckets)
        self._scoring.add(tick, failed, len(state.pods) - len(state.unbound), dt, state.t)
        if state.t % SLOT == 0:
            self._scrape(by_pod=by_pod)

    def _scrape(self, *, by_pod: bool) -> None:
        state, counters = self._state, self.counters
        fleet, count = state.fleet, len(self._workloads)
        n = fleet.size
        at = self.begin.timestamp() + state.t
        service = fleet.service[:n]
        ready = summed(service, (fleet.phase[:n] == Phase.READY).astype(np.float64), count)
        desired = np.array([float(deployment.replicas) for deployment in state.deployments])
        scraped = fleet.scraped(self._trouble.ground.node_dead)
        if not self._trouble.scrapeless:
            counters.sample(at, ready, desired, summed(service, fleet.memory[:n], count))
            if by_pod:
                self._name_pods()
                counters.sample_pods(at, fleet, scraped)
        scaling.sample_cpu(fleet, scraped)
        scaling.look_all(state, self._load(at), shown=by_pod)
        control(self._state)

    def _load(self, now: float) -> Floats | None:
        """Requests per second of the last minute, a scrape late, as metrics tell; None where nobody asks them, or they
        tell nothing.
        """
        if self.metrics_down is not None or all(one.requests_per_pod is None for one in self._state.autoscalers):
            return None
        load: Floats = self.counters.rate(np.array([now - SLOT]), LOAD_WINDOW).requests[0]
        return None if np.isnan(load).any() else load

    def _name_pods(self) -> None:
        state, names = self._state, self.counters.names
        for identity, pod in state.pods.items():
            if identity not in names:
                metadata = pod.owner.object["metadata"]
                container = pod.owner.object["spec"]["template"]["spec"]["containers"][0]
                names[identity] = PodName(
                    service=pod.owner.deployment.service,
                    place=pod.place,
                    namespace=metadata["namespace"],
                    name=pod.name,
                    uid=pod.uid,
                    replica_set=metadata["name"],
                    replica_set_uid=metadata["uid"],
                    image=str(container.get("image") or ""),
                )
            if pod.node >= 0:
                names[identity].node = state.nodes[pod.node].name
        for identity, name in names.items():
            name.gone = identity not in state.pods

    def _strike(self, begun: Sequence[Fault]) -> None:
        for fault in begun:
            if isinstance(fault, RolledOut):
                self.roll_out(self._named(fault.service), fault.to, fault.by)
            elif isinstance(fault, WrongConfiguration):
                self._configure(fault)

    def _configure(self, fault: WrongConfiguration) -> None:
        workload = self._named(fault.service)
        container = self._state.deployments[self._workloads.index(workload)].object["spec"]["template"]["spec"][
            "containers"
        ][0]
        env = {str(one["name"]): one for one in container.get("env") or ()}
        env |= {name: {"name": name, "value": value} for name, value in fault.env.items()}
        self.act_as(fault.by, workload, PatchOp("add", "/spec/template/spec/containers/0/env", list(env.values())))

    def _named(self, service: str) -> Workload:
        return next(one for one in self._workloads if one.name == service)

    # objects

    def _take_in(self, workload: Workload, after: dict[str, Any]) -> None:
        """An object was written: from now on the controllers go by it."""
        state = self._state
        match workload.kind:
            case "Deployment":
                deployment = next(one for one in state.deployments if _is(one.object, workload))
                deployment.object = after
                deployments.read_spec(state, deployment)
            case "HorizontalPodAutoscaler":
                scaler = next(one for one in state.autoscalers if _is(one.object, workload))
                scaler.object, scaler.rule = after, scaling.rule_of(after["spec"])
                scaler.cpu, scaler.requests_per_pod = scaling.targets_of(after["spec"])
            case "PodDisruptionBudget":
                budget = next(one for one in self._budgets if _is(one.object, workload))
                budget.object = after
            case "Node":
                index = next(i for i, one in enumerate(state.nodes) if one.name == workload.name)
                state.nodes[index].object = {key: value for key, value in after.items() if key != "status"}
            case _:
                pass


def _is(obj: dict[str, Any], workload: Workload) -> bool:
    metadata = obj["metadata"]
    return (metadata.get("namespace", ""), metadata["name"]) == (workload.namespace, workload.name)


def _scaled(workload: Workload) -> Workload:
    """The Deployment that an HPA of the scenario scales: it has its name."""
    return Workload(workload.namespace, "Deployment", workload.name, "apps/v1")


def _selects(budget: Any, labels: dict[str, str]) -> bool:
    wanted = (budget["spec"].get("selector") or {}).get("matchLabels") or {}
    return bool(wanted) and wanted.items() <= labels.items()


def _scales(scaler: Any, workload: Workload) -> bool:
    target = scaler["spec"]["scaleTargetRef"]
    return (target["kind"], target["name"]) == (workload.kind, workload.name)
