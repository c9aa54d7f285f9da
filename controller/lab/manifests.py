"""The objects of a scenario as a user would write them: what the lab's API server begins with."""

from __future__ import annotations

from typing import Any

from controller.lab.parts import Autoscaler, Service
from remediations.quantity import binary

CONTAINER = "app"


def deployment(service: Service, replicas: int) -> dict[str, Any]:
    """The Deployment of a service at its running version."""
    version = service.versions[service.running]
    labels = {"app": service.name, **service.labels}
    limits: dict[str, str] = {"memory": binary(service.memory.limit)}
    if service.cpu.limit is not None:
        limits["cpu"] = milli(service.cpu.limit)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": service.image(service.running),
        "resources": {
            "requests": {"cpu": milli(service.cpu.request), "memory": binary(service.memory.request)},
            "limits": limits,
        },
    }
    if version.env:
        container["env"] = [{"name": name, "value": value} for name, value in version.env.items()]
    metadata: dict[str, Any] = {"namespace": service.namespace, "name": service.name, "labels": dict(labels)}
    if service.annotations:
        metadata["annotations"] = dict(service.annotations)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": service.name}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": service.max_surge, "maxUnavailable": service.max_unavailable},
            },
            "progressDeadlineSeconds": service.progress_deadline,
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}},
        },
    }


def autoscaler(service: Service, said: Autoscaler) -> dict[str, Any]:
    """The HPA of a service; with `behavior` the documented default is written out."""
    metrics: list[dict[str, Any]] = []
    if said.cpu is not None:
        target = {"type": "Utilization", "averageUtilization": said.cpu}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if said.requests_per_pod is not None:
        metric = {"name": "requests_per_second", "selector": {"matchLabels": {"service": service.name}}}
        average = {"type": "AverageValue", "averageValue": milli(said.requests_per_pod)}
        metrics.append({"type": "External", "external": {"metric": metric, "target": average}})
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.name},
        "minReplicas": said.least,
        "maxReplicas": said.most,
        "metrics": metrics,
    }
    if said.behavior:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        spec["behavior"] = {
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, dict(percent)],
            },
            "scaleDown": {"stabilizationWindowSeconds": 300, "selectPolicy": "Max", "policies": [dict(percent)]},
        }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": service.namespace, "name": service.name, "labels": {"app": service.name}},
        "spec": spec,
    }


def budget(service: Service) -> dict[str, Any]:
    """The PodDisruptionBudget of a service."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"namespace": service.namespace, "name": service.name},
        "spec": {"minAvailable": service.min_available, "selector": {"matchLabels": {"app": service.name}}},
    }


def milli(value: float) -> str:
    """A number as Kubernetes writes it: `2`, `500m`."""
    thousandths = round(value * 1000)
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"
