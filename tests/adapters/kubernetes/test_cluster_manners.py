"""Reading whole and writing little, on a real API server: who covers what, who may not, what the audit log saw."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.cluster import KubernetesCluster
from controller.adapters.kubernetes.config import Connection
from controller.adapters.kubernetes.leases import open_leases
from controller.ports import LeaseState
from detectors.series import Workload
from remediations.cluster import Applied, ApplyResult, Conflict, Gone, Refused, Unreadable, World
from remediations.plan import PatchOp, StepClass
from remediations.pointer import value_at
from remediations.steps import step_of
from tests.controlplane.audit import effects, fences
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import eventually
from tests.controlplane.workloads import Workloads

IMAGE = "/spec/template/spec/containers/0/image"
PARENTLESS = "/spec/template/metadata/annotations/example.com~1mark"
LIMIT = "/spec/template/spec/containers/0/resources/limits/memory"


@pytest.fixture
def cluster(api: Api) -> KubernetesCluster:
    return KubernetesCluster(api, lambda: datetime.now(UTC))


@pytest.fixture
def workload(workloads: Workloads, namespace: str) -> Workload:
    workloads.deploy("checkout", "registry.test/checkout:v41", 2, memory=None, env={"KEY": "hunter2"}, wait=True)
    return Workload(namespace, "Deployment", "checkout")


async def read(cluster: KubernetesCluster, workload: Workload) -> World:
    world = await cluster.read(workload)
    assert isinstance(world, World), world
    return world


async def sent(
    cluster: KubernetesCluster, workload: Workload, *patch: PatchOp, dry_run: bool = False, reader: Any = None
) -> ApplyResult:
    """One step on a fresh reading; again while the controllers write in between."""
    for _ in range(20):
        world = await read(reader or cluster, workload)
        step = step_of("manners", StepClass.VALUE_IDEMPOTENT, world, patch)
        result = await cluster.apply(step, world.resource_version, dry_run=dry_run)
        if not isinstance(result, Conflict):
            return result
    raise AssertionError("others write all the time")


async def test_missing_parents_are_made(cluster: KubernetesCluster, workload: Workload) -> None:
    result = await sent(cluster, workload, PatchOp("add", PARENTLESS, "x"), PatchOp("add", LIMIT, "256Mi"))

    assert isinstance(result, Applied)
    world = await read(cluster, workload)
    assert value_at(world.object, PARENTLESS) == "x"
    assert value_at(world.object, LIMIT) == "256Mi"


async def test_the_audit_log_sees_one_effect_per_step_one_fence_and_nothing_of_a_rehearsal(
    cluster: KubernetesCluster, workload: Workload, control_plane: ControlPlane, namespace: str
) -> None:
    user, since = "admin", control_plane.audit.mark()

    def seen() -> tuple[list[str], list[str]]:
        asked: dict[str, Any] = {"since": since, "user": user, "namespace": namespace}
        return (
            [effect.verb for effect in effects(control_plane.audit, **asked)],
            [fence.verb for fence in fences(control_plane.audit, **asked)],
        )

    await sent(cluster, workload, PatchOp("add", PARENTLESS, "x"), dry_run=True)
    assert seen() == ([], [])
    world = await read(cluster, workload)
    assert isinstance(await cluster.fence(workload, world.uid, 3), Applied)
    assert seen() == ([], ["patch"])
    assert isinstance(await sent(cluster, workload, PatchOp("add", PARENTLESS, "x")), Applied)
    assert seen() == (["patch"], ["patch"])


async def test_who_may_not_write_is_refused_and_nothing_is_written(
    cluster: KubernetesCluster, workload: Workload, control_plane: ControlPlane, namespace: str
) -> None:
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "nobody")
    async with await Api.open(Connection(kubeconfig=kubeconfig)) as api:
        powerless = KubernetesCluster(api, lambda: datetime.now(UTC))
        world = await read(cluster, workload)
        by_replace = await sent(powerless, workload, PatchOp("replace", IMAGE, "x:1"), reader=cluster)
        by_add = await sent(powerless, workload, PatchOp("add", PARENTLESS, "x"), reader=cluster)
        fence = await powerless.fence(workload, world.uid, 3)

        assert isinstance(by_replace, Refused)
        assert by_replace.code == "Forbidden"
        assert isinstance(by_add, Refused)
        assert by_add.code == "Forbidden"
        assert isinstance(fence, Refused)
        assert fence.code == "Forbidden"
        assert isinstance(await powerless.read(workload), Unreadable)
    after = await read(cluster, workload)
    assert value_at(after.object, IMAGE) == "registry.test/checkout:v41"
    assert value_at(after.object, PARENTLESS) is None


def admission(namespace: str) -> list[dict[str, Any]]:
    """A policy that refuses a `hostNetwork` in this namespace."""
    version, name = "admissionregistration.k8s.io/v1", f"no-host-{namespace}"
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
    checks = [
        {"expression": "!has(object.spec.template.spec.hostNetwork)", "message": "no host network here"},
    ]
    return [
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {"matchConstraints": {"resourceRules": [rule], **here}, "validations": checks},
        },
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": here},
        },
    ]


async def test_an_admission_policy_refuses_in_its_own_words(
    cluster: KubernetesCluster, workload: Workload, control_plane: ControlPlane, namespace: str
) -> None:
    bodies = admission(namespace)
    for body in bodies:
        control_plane.api.create(body)
    try:
        op = PatchOp("add", "/spec/template/spec/hostNetwork", True)
        result: ApplyResult = Conflict("")
        for _ in range(100):  # a policy takes effect a moment after it was written
            result = await sent(cluster, workload, op, dry_run=True)
            if isinstance(result, Refused):
                break
            await asyncio.sleep(0.1)

        assert isinstance(result, Refused)
        assert result.code == "Invalid"
        assert "no host network here" in result.message
        assert isinstance(await sent(cluster, workload, op), Refused)
        assert value_at((await read(cluster, workload)).object, op.path) is None
    finally:
        name = bodies[0]["metadata"]["name"]
        control_plane.api.delete("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings", name)
        control_plane.api.delete("admissionregistration.k8s.io/v1", "validatingadmissionpolicies", name)


async def test_a_field_that_does_not_exist_is_refused_without_telling_the_object(
    cluster: KubernetesCluster, workload: Workload
) -> None:
    result = await sent(cluster, workload, PatchOp("add", "/spec/tempalte", "x"))

    assert isinstance(result, Refused)
    assert 'unknown field "spec.tempalte"' in result.message
    assert "hunter2" not in result.message


async def test_the_autoscaler_and_every_budget_over_the_pods_are_found(
    cluster: KubernetesCluster, workload: Workload, control_plane: ControlPlane, namespace: str
) -> None:
    """An empty selector covers all pods of its namespace; one for others covers none of ours."""
    for name, selector in {"all": {}, "others": {"matchLabels": {"app": "search"}}}.items():
        spec = {"maxUnavailable": 1, "selector": selector}
        budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
        control_plane.api.create(budget, namespace)
    for name, target in {"ours": "checkout", "theirs": "search"}.items():
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
        scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}}
        control_plane.api.create({**scaler, "spec": {"maxReplicas": 3, "scaleTargetRef": reference}}, namespace)

    world = await read(cluster, workload)

    assert [budget["metadata"]["name"] for budget in world.budgets] == ["all"]
    assert world.autoscaler is not None
    assert world.autoscaler["metadata"]["name"] == "ours"


async def test_the_pods_of_a_stateful_set_are_its_own(
    cluster: KubernetesCluster, control_plane: ControlPlane, namespace: str
) -> None:
    template = {
        "metadata": {"labels": {"app": "ledger"}},
        "spec": {"containers": [{"name": "main", "image": "registry.test/ledger:v1"}]},
    }
    spec = {"replicas": 2, "serviceName": "ledger", "selector": {"matchLabels": {"app": "ledger"}}}
    stateful_set = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "ledger"}}
    control_plane.api.create({**stateful_set, "spec": {**spec, "template": template}}, namespace)
    stray = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stray", "labels": {"app": "ledger"}}}
    control_plane.api.create({**stray, "spec": template["spec"]}, namespace)
    await eventually(
        "the set has its pods",
        lambda: control_plane.api.list("v1", "pods", namespace, "app=ledger"),
        until=lambda pods: len(pods) == 3,
    )

    world = await read(cluster, Workload(namespace, "StatefulSet", "ledger"))

    assert {pod["metadata"]["name"] for pod in world.pods} == {"ledger-0", "ledger-1"}
    assert world.replica_sets == ()


async def test_a_kind_that_is_not_known_is_neither_read_nor_written(
    cluster: KubernetesCluster, workload: Workload, namespace: str
) -> None:
    strange = Workload(namespace, "CronJob", "checkout", "batch/v1")
    step = step_of("manners", StepClass.OPAQUE, await read(cluster, workload), (PatchOp("replace", IMAGE, "x:1"),))
    object.__setattr__(step, "workload", strange)

    assert isinstance(await cluster.read(strange), Unreadable)
    assert isinstance(await cluster.apply(step, "1"), Refused)
    assert isinstance(await cluster.fence(strange, "u", 1), Refused)
    assert isinstance(await cluster.read(Workload(namespace, "Deployment", "nobody")), Gone)


def test_a_lease_is_renewed_from_another_threads_event_loop(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    connection = Connection(kubeconfig=control_plane.kubeconfig)
    states: list[LeaseState | None] = []

    async def renew() -> None:
        leases = await open_leases(connection, namespace, "trimtab")
        mine = LeaseState("one", datetime.now(UTC), timedelta(seconds=15), 0, {}, "")
        states.append(await leases.write(mine))
        states.append(await leases.read())
        await leases.close()

    thread = threading.Thread(target=lambda: asyncio.run(renew()))
    thread.start()
    thread.join(30)

    assert states[0] is not None
    assert states[0] == states[1]
