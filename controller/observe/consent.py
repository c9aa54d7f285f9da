"""Consent: which policy speaks for a workload, and what the shipped, namespaced and cluster runbooks are.

Promises that of two policies on one workload the oldest wins and the other is told so, that a policy which cannot be
read grants nothing, and that only namespaces the administrator listed (`act.namespaces`) can be acted in, whatever a
policy says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from controller.api.shapes import fraction, share
from controller.api.v1alpha1.kinds import CLUSTER_RUNBOOK, RUNBOOK, SERVICE_POLICY
from controller.api.v1alpha1.servicepolicy import Preset, ServicePolicy, Signals
from controller.core.people import allowed
from controller.core.policy import Budgets, CanaryMode, Mode, Policy, ScalingMode
from controller.observe.selection import Selection, selection, selects
from controller.settings import Settings
from detectors.series import Workload
from remediations.registry import Registry
from runbooks.load import from_object, library
from runbooks.match import speaking_for
from runbooks.schema import Runbook

Read = TypeVar("Read")
Objects = Callable[[Any], Iterable[Mapping[str, Any]]]
"""All cached objects of a kind."""
Within = Callable[[str], tuple[int, Iterable[Mapping[str, Any]]]]
"""A namespace's cached ServicePolicies, and a number that is another one whenever any of them has changed; 0: none."""
NONE = selection(())


@dataclass(frozen=True, slots=True)
class Consent:
    """What a workload's people allow, and where its numbers come from. `source` names the ServicePolicy, empty for
    the defaults.
    """

    policy: Policy
    preset: Preset | None = None
    signals: Signals | None = None
    source: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of one ServicePolicy: accepted or not and why, and the workloads it speaks for."""

    accepted: bool
    reason: str
    message: str
    workloads: tuple[Workload, ...] = ()


class Consents:
    """Policies and runbooks as last seen."""

    def __init__(
        self,
        settings: Settings,
        objects: Objects,
        registry: Registry,
        further: Iterable[Runbook] = (),
        known: Callable[[], bool] = lambda: True,
        within: Within | None = None,
    ) -> None:
        self._settings, self._objects, self._registry = settings, objects, registry
        self._further, self._known, self._within = tuple(further), known, within
        self._selections: dict[str, tuple[int, Selection]] = {}
        self._parsed: dict[str, tuple[str, ServicePolicy | str]] = {}
        self._runbooks: dict[str, tuple[str, Runbook | None]] = {}

    def of(self, workload: Workload, labels: Mapping[str, str]) -> Consent:
        """The consent for one workload: its oldest accepted policy, else the defaults; nothing while policies are not
        known, or when one that cannot be read may speak for it.
        """
        if not self._known():
            return self._nothing(workload.namespace, "unknown")
        policies = self._selection(workload.namespace)
        broken = policies.unreadable(workload)
        if broken:
            return self._nothing(workload.namespace, f"{workload.namespace}/{broken}@invalid")
        winner = policies.winner(workload, labels)
        return self._default(workload.namespace) if winner is None else self._consent(winner, workload.namespace)

    def _nothing(self, namespace: str, name: str) -> Consent:
        return Consent(replace(self._base(namespace), name=name, known=False))

    def standing(self, item: Mapping[str, Any], workloads: Iterable[tuple[Workload, Mapping[str, str]]]) -> Standing:
        """What is to be said in a ServicePolicy's status."""
        parsed = self._parse(item)
        if isinstance(parsed, str):
            return Standing(False, "Invalid", parsed)
        if parsed.spec.target.kind not in ("Deployment", "StatefulSet", "DaemonSet"):
            return Standing(False, "UnknownKind", f"{parsed.spec.target.kind} is a kind that trimtab does not know")
        namespace = str(item["metadata"]["namespace"])
        mine = [pair for pair in workloads if pair[0].namespace == namespace and selects(parsed, *pair)]
        if not mine:
            return Standing(False, "TargetMissing", f"no {parsed.spec.target.kind} that it selects is there")
        uid = str(item["metadata"]["uid"])
        lost = [pair[0] for pair in mine if self._winner(*pair) not in (None, uid)]
        if len(lost) == len(mine):
            return Standing(False, "Conflict", f"an older policy speaks for {lost[0]}")
        kept = tuple(pair[0] for pair in mine if pair[0] not in lost)
        return Standing(True, "Accepted", f"speaks for {len(kept)} workload{'s' if len(kept) > 1 else ''}", kept)

    def runbooks(self, workload: Workload) -> tuple[Runbook, ...]:
        """The runbooks in force where the workload lives, one per name."""
        found = [
            runbook
            for kind in (RUNBOOK, CLUSTER_RUNBOOK)
            for item in self._objects(kind)
            if (runbook := self._runbook(item)) is not None
        ]
        return speaking_for(workload, (*library(), *self._further, *found))

    def tidy(self) -> None:
        """Forget what was read of policies and runbooks that are gone, and the namespaces they were in."""
        policies = tuple(self._objects(SERVICE_POLICY))
        runbooks = uids(item for kind in (RUNBOOK, CLUSTER_RUNBOOK) for item in self._objects(kind))
        self._parsed = kept(self._parsed, uids(policies))
        self._runbooks = kept(self._runbooks, runbooks)
        self._selections = kept(self._selections, {str(item["metadata"]["namespace"]) for item in policies})

    def _winner(self, workload: Workload, labels: Mapping[str, str]) -> str | None:
        winner = self._selection(workload.namespace).winner(workload, labels)
        return None if winner is None else str(winner.metadata.uid)

    def _selection(self, namespace: str) -> Selection:
        """The namespace's policies as they are now."""
        if self._within is None:
            items = (item for item in self._objects(SERVICE_POLICY) if item["metadata"]["namespace"] == namespace)
            return selection((item, self._parse(item)) for item in items)
        revision, items_within = self._within(namespace)
        if not revision:
            return NONE
        known = self._selections.get(namespace)
        if known is None or known[0] != revision:
            known = (revision, selection((item, self._parse(item)) for item in items_within))
            self._selections[namespace] = known
        return known[1]

    def _parse(self, item: Mapping[str, Any]) -> ServicePolicy | str:
        metadata = item["metadata"]
        known = self._parsed.get(metadata["uid"])
        if known is not None and known[0] == metadata["resourceVersion"]:
            return known[1]
        try:
            parsed: ServicePolicy | str = ServicePolicy.model_validate({**item, "status": {}})
        except ValidationError as error:
            parsed = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:4])
        self._parsed[metadata["uid"]] = (metadata["resourceVersion"], parsed)
        return parsed

    def _runbook(self, item: Mapping[str, Any]) -> Runbook | None:
        metadata = item["metadata"]
        known = self._runbooks.get(metadata["uid"])
        if known is None or known[0] != metadata["resourceVersion"]:
            parsed = from_object(item, self._registry)
            known = (metadata["resourceVersion"], parsed if isinstance(parsed, Runbook) else None)
            self._runbooks[metadata["uid"]] = known
        return known[1]

    def _consent(self, policy: ServicePolicy, namespace: str) -> Consent:
        said, metadata = policy.spec.remediation, policy.metadata
        people = self._settings.people
        spec, bound = policy.spec, policy.spec.canary.false_rollback or "0%"
        resolved = replace(
            self._base(namespace, said.mode, spec.scaling.mode, spec.canary.mode),
            name=f"{namespace}/{metadata.name}@{metadata.generation or 0}",
            false_rollback=fraction(bound) or None,
            automatic_above=share(said.automatic_above),
            review_above=share(said.review_above),
            approvers=allowed(people.approvers, said.approvers, people.groups),
        )
        source = (namespace, metadata.name)
        return Consent(resolved, policy.spec.metrics.preset, policy.spec.metrics.signals, source)

    def _default(self, namespace: str) -> Consent:
        defaults, people = self._settings.policy_defaults, self._settings.people
        approvers = allowed(people.approvers, None, people.groups)
        base = self._base(namespace, Mode(defaults.mode), ScalingMode(defaults.scaling), CanaryMode(defaults.canary))
        bound = defaults.false_rollback
        policy = replace(base, name="default", approvers=approvers, false_rollback=bound)
        return Consent(policy, Preset(defaults.preset) if defaults.preset else None)

    def _base(
        self,
        namespace: str,
        mode: Mode = Mode.OBSERVE,
        scaling: ScalingMode = ScalingMode.OBSERVE,
        canary: CanaryMode = CanaryMode.OBSERVE,
    ) -> Policy:
        """The modes as wished for, or as far as observing where the administrator lets nothing be done."""
        settings, may = self._settings, namespace in self._settings.act_namespaces
        return Policy(
            mode=mode if may else Mode.OBSERVE,
            scaling=scaling if may or scaling is ScalingMode.OFF else ScalingMode.OBSERVE,
            canary=canary if may or canary is CanaryMode.OFF else CanaryMode.OBSERVE,
            expires_after=timedelta(seconds=settings.approval_seconds),
            min_verified=settings.min_verified,
            budgets=Budgets(
                settings.budgets.namespace,
                settings.budgets.cluster,
                pod_hours_per_namespace=settings.budgets.pod_hours_namespace,
                pod_hours_per_cluster=settings.budgets.pod_hours_cluster,
            ),
        )


def uids(items: Iterable[Mapping[str, Any]]) -> set[str]:
    """What the objects are told apart by."""
    return {str(item["metadata"]["uid"]) for item in items}


def kept(known: Mapping[str, Read], there: set[str]) -> dict[str, Read]:
    """What is known of those that are still there."""
    return {key: value for key, value in known.items() if key in there}
