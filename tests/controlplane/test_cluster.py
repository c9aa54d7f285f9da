"""The control plane is a real one, and its pods do what their image says."""

import pytest

from tests.controlplane.api import Api, ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads, is_ready, restart_count, waiting_reason


def test_a_healthy_image_becomes_ready(workloads: Workloads) -> None:
    workloads.deploy("checkout", "registry.test/checkout:v41", replicas=3)

    assert workloads.wait_ready("checkout")["status"]["availableReplicas"] == 3


def test_a_pod_starts_as_late_as_its_annotation_says(workloads: Workloads) -> None:
    workloads.deploy("late", "registry.test/late:v1", 1, template_annotations={"kwok.trimtab.dev/ready-after": "1h"})
    workloads.deploy("early", "registry.test/early:v1", 1, wait=True)

    assert [is_ready(pod) for pod in workloads.pods("late")] == [False]


def test_a_crashing_image_loops_and_is_healed_by_going_back(control_plane: ControlPlane, workloads: Workloads) -> None:
    workloads.deploy("checkout", "registry.test/checkout:v41", replicas=2, wait=True)
    workloads.rollout("checkout", "registry.test/checkout:v42-crash")

    first = workloads.wait_waiting("checkout", "CrashLoopBackOff", restarts=2)[0]
    assert first["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1
    assert not is_ready(first)

    control_plane.kubectl("-n", workloads.namespace, "rollout", "undo", "deployment/checkout")
    workloads.wait_ready("checkout")
    healed = wait_for(
        "only the old version is left", lambda: workloads.pods("checkout"), until=lambda pods: len(pods) == 2
    )
    assert {restart_count(pod) for pod in healed} == {0}


def test_an_image_that_cannot_be_pulled_backs_off(workloads: Workloads) -> None:
    workloads.deploy("checkout", "registry.test/checkout:v42-nopull", 1)

    pod = workloads.wait_waiting("checkout", "ImagePullBackOff")[0]
    assert pod["status"]["phase"] == "Pending"


def test_out_of_memory_is_healed_by_a_higher_limit_only(workloads: Workloads) -> None:
    workloads.deploy("search", "registry.test/search:v7-oom-256Mi", 1, memory="128Mi")
    killed = workloads.wait_waiting("search", "CrashLoopBackOff", restarts=2)[0]
    assert killed["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "OOMKilled"

    workloads.rollout("search", memory="200Mi")
    wait_for(
        "the pod with 200Mi is killed as well",
        lambda: [pod for pod in workloads.pods("search") if _limit(pod) == "200Mi" and restart_count(pod) >= 1],
    )

    workloads.rollout("search", memory="0.25Gi", wait=True)
    pods = wait_for("one pod is left", lambda: workloads.pods("search"), until=lambda found: len(found) == 1)
    assert is_ready(pods[0])
    assert restart_count(pods[0]) == 0


def _limit(pod: dict) -> str:  # type: ignore[type-arg] # a pod is JSON
    return str(pod["spec"]["containers"][0]["resources"]["limits"]["memory"])


def test_an_unready_image_runs_and_never_becomes_ready(workloads: Workloads) -> None:
    workloads.deploy("checkout", "registry.test/checkout:v42-unready", 1)

    running = wait_for(
        "it runs", lambda: [pod for pod in workloads.pods("checkout") if pod["status"]["phase"] == "Running"]
    )
    assert not is_ready(running[0])
    assert waiting_reason(running[0]) == ""


def test_deleted_pods_go_away(workloads: Workloads) -> None:
    workloads.deploy("checkout", "registry.test/checkout:v41", 2, wait=True)
    workloads.delete("checkout")

    wait_for("no pod is left", lambda: workloads.pods("checkout"), until=lambda pods: not pods)


def test_a_service_account_may_what_rbac_says_and_nothing_else(control_plane: ControlPlane, namespace: str) -> None:
    account = Api(control_plane.service_account_kubeconfig(namespace, "watcher"))
    with pytest.raises(ApiError) as refused:
        account.list("v1", "pods", namespace)
    assert refused.value.code == 403

    control_plane.kubectl(
        "-n",
        namespace,
        "create",
        "rolebinding",
        "watcher",
        "--clusterrole=view",
        f"--serviceaccount={namespace}:watcher",
    )
    assert wait_for("the right is there", lambda: account.list("v1", "pods", namespace) == [], absorb=(ApiError,))
    with pytest.raises(ApiError):
        account.list("v1", "secrets", namespace)
    account.close()


def test_admission_policies_are_enforced(control_plane: ControlPlane, namespace: str) -> None:
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            },
            "validations": [{"expression": "object.metadata.name != 'forbidden'", "message": "not this one"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {"policyName": namespace, "validationActions": ["Deny"]},
    }
    api = control_plane.api
    api.create(policy)
    api.create(binding)

    def refused() -> str:
        try:
            api.create(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "forbidden"}}, namespace, dryRun="All"
            )
        except ApiError as error:
            return str(error)
        return ""

    assert "not this one" in wait_for("the policy is in force", refused)
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "allowed"}}, namespace)
    for resource in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        api.delete("admissionregistration.k8s.io/v1", resource, namespace)


def test_a_disruption_budget_answers_an_eviction_with_its_name(
    control_plane: ControlPlane, workloads: Workloads
) -> None:
    workloads.deploy("checkout", "registry.test/checkout:v41", 2, wait=True)
    namespace = workloads.namespace
    budget = {"minAvailable": "100%", "selector": {"matchLabels": {"app": "checkout"}}}
    control_plane.api.create(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "all"}, "spec": budget},
        namespace,
    )
    wait_for(
        "the budget is counted",
        lambda: control_plane.api.get("policy/v1", "poddisruptionbudgets", "all", namespace),
        until=lambda found: found.get("status", {}).get("currentHealthy") == 2,
    )
    pod = workloads.pods("checkout")[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}

    with pytest.raises(ApiError) as refused:
        control_plane.api.request("POST", f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction", eviction)

    assert refused.value.code == 429
    assert refused.value.body["details"]["causes"][0]["reason"] == "DisruptionBudget"


def test_a_stopped_server_comes_back_on_its_port_with_its_data(own_control_plane: ControlPlane) -> None:
    own_control_plane.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}, "default")

    own_control_plane.apiserver.kill()
    with pytest.raises(OSError, match=r"refused|aborted"):
        own_control_plane.api.get("v1", "configmaps", "kept", "default")
    own_control_plane.apiserver.start()

    assert own_control_plane.api.get("v1", "configmaps", "kept", "default")["metadata"]["name"] == "kept"
