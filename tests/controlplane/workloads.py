"""Deployments to watch and to repair: made, rolled out and waited for, as an ordinary user of the cluster."""

from typing import Any

from tests.controlplane.api import STRATEGIC_PATCH, Api, Json
from tests.controlplane.waiting import wait_for

APPS = "apps/v1"


class Workloads:
    """The Deployments of one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self.namespace = namespace

    @property
    def api(self) -> Api:
        """Whoever makes them."""
        return self._api

    def deploy(
        self,
        name: str,
        image: str,
        replicas: int = 3,
        *,
        memory: str | None = "128Mi",
        env: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        template_annotations: dict[str, str] | None = None,
        spec: Json | None = None,
        wait: bool = False,
    ) -> Json:
        """Create a Deployment of one container `main` with the limit `memory`; `spec` is laid over its own."""
        container: Json = {"name": "main", "image": image}
        if memory is not None:
            container["resources"] = {"limits": {"memory": memory}, "requests": {"memory": memory}}
        if env:
            container["env"] = [{"name": key, "value": value} for key, value in env.items()]
        pod_labels = {"app": name, **(labels or {})}
        body: Json = {
            "apiVersion": APPS,
            "kind": "Deployment",
            "metadata": {"name": name, "labels": pod_labels, "annotations": annotations or {}},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": pod_labels, "annotations": template_annotations or {}},
                    "spec": {"containers": [container]},
                },
                **(spec or {}),
            },
        }
        made = self._api.create(body, self.namespace)
        if wait:
            self.wait_ready(name)
        return made

    def rollout(
        self,
        name: str,
        image: str | None = None,
        *,
        env: dict[str, str] | None = None,
        memory: str | None = None,
        wait: bool = False,
    ) -> Json:
        """Change image, environment or memory limit of `main`, as a person with kubectl would."""
        container: dict[str, Any] = {"name": "main"}
        if image is not None:
            container["image"] = image
        if env is not None:
            container["env"] = [{"name": key, "value": value} for key, value in env.items()]
        if memory is not None:
            container["resources"] = {"limits": {"memory": memory}, "requests": {"memory": memory}}
        patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
        changed = self._api.patch(APPS, "deployments", name, patch, self.namespace, kind=STRATEGIC_PATCH)
        if wait:
            self.wait_ready(name)
        return changed

    def scale(self, name: str, replicas: int) -> Json:
        """Set the number of replicas."""
        return self._api.patch(APPS, "deployments", name, {"spec": {"replicas": replicas}}, self.namespace)

    def deployment(self, name: str) -> Json:
        """The Deployment as it is."""
        return self._api.get(APPS, "deployments", name, self.namespace)

    def replica_sets(self, name: str) -> list[Json]:
        """Its ReplicaSets, oldest revision first."""
        found = self._api.list(APPS, "replicasets", self.namespace, selector=f"app={name}")
        return sorted(found, key=lambda one: int(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))

    def pods(self, name: str) -> list[Json]:
        """Its pods, those being deleted included."""
        return self._api.list("v1", "pods", self.namespace, selector=f"app={name}")

    def delete(self, name: str) -> None:
        """Delete it and what it owns, in the background."""
        self._api.delete(APPS, "deployments", name, self.namespace, propagationPolicy="Background")

    def wait_ready(self, name: str, timeout: float = 60.0) -> Json:
        """The Deployment, once its rollout is complete and every replica is available."""
        return wait_for(f"{name} is rolled out", lambda: self.deployment(name), until=rolled_out, timeout=timeout)

    def wait_waiting(self, name: str, reason: str, timeout: float = 60.0, restarts: int = 0) -> list[Json]:
        """The pods that wait for `reason` with at least so many restarts, once there is one."""
        return wait_for(
            f"a pod of {name} is in {reason}",
            lambda: [
                pod for pod in self.pods(name) if waiting_reason(pod) == reason and restart_count(pod) >= restarts
            ],
            timeout=timeout,
        )


def rolled_out(deployment: Json) -> bool:
    """What `kubectl rollout status` calls success."""
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    counts = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    return status.get("observedGeneration", 0) >= deployment["metadata"]["generation"] and all(
        n == wanted for n in counts
    )


def is_ready(pod: Json) -> bool:
    """Whether the pod takes traffic: ready, and not being deleted."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def waiting_reason(pod: Json) -> str:
    """Why the first container waits, or an empty text."""
    return str((_first(pod).get("state", {}).get("waiting") or {}).get("reason", ""))


def restart_count(pod: Json) -> int:
    """How often the first container was restarted."""
    return int(_first(pod).get("restartCount", 0))


def _first(pod: Json) -> Json:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    first: Json = statuses[0]
    return first
