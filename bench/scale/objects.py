"""A cluster of N services as an API server would list them: Deployments, ReplicaSets, pods and policies, of real size.

Pure, made from the seed. Each service is a Deployment of three pods with one older ReplicaSet beside the current one;
every other service has a ServicePolicy in Observe, the ones between an autoscaler. Managed fields, volumes, probes and
conditions are there because they are most of an object's weight in memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

Object: TypeAlias = dict[str, Any]

PODS_EACH: Final = 3
PER_NAMESPACE: Final = 20
BORN: Final = "2026-01-05T08:00:00Z"
POD_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Service:
    """One service by place and name."""

    namespace: str
    name: str


def services(count: int) -> tuple[Service, ...]:
    """N services, twenty to a namespace."""
    return tuple(Service(f"team-{index // PER_NAMESPACE:03d}", f"service-{index:05d}") for index in range(count))


def cluster(count: int, seed: int) -> Iterator[tuple[str, Object]]:
    """Every object with the plural of its kind."""
    chance = random.Random(seed)
    everybody = services(count)
    for place in ("trimtab", "kube-system", *sorted({service.namespace for service in everybody})):
        yield "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place, "uid": uid(chance)}}
    for index, service in enumerate(everybody):
        yield from workload(service, chance)
        if index % 2:
            yield "servicepolicies", policy(service, chance)
        else:
            yield "horizontalpodautoscalers", autoscaler(service, chance)


def workload(service: Service, chance: random.Random) -> Iterator[tuple[str, Object]]:
    """A Deployment, its two ReplicaSets, and the pods of the newer one, all healthy."""
    deployment = about("apps/v1", "Deployment", service, service.name, chance)
    deployment["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    template = pod_template(service)
    deployment["spec"] = {
        "replicas": PODS_EACH,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": {"app": service.name}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "template": template,
    }
    deployment["status"] = {
        "observedGeneration": 1,
        "replicas": PODS_EACH,
        "updatedReplicas": PODS_EACH,
        "readyReplicas": PODS_EACH,
        "availableReplicas": PODS_EACH,
        "conditions": [condition("Available"), condition("Progressing")],
    }
    yield "deployments", deployment
    for revision, living in ((1, 0), (2, PODS_EACH)):
        replica_set = child("apps/v1", "ReplicaSet", deployment, f"{service.name}-{letters(chance, 10)}", chance)
        replica_set["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": str(revision)}
        # The older one differs from the Deployment's template, as every former revision does.
        own = pod_template(service, version=f"v{40 + revision}")
        replica_set["spec"] = {
            "replicas": living,
            "selector": {"matchLabels": {"app": service.name}},
            "template": own,
        }
        replica_set["status"] = {"replicas": living, "readyReplicas": living, "observedGeneration": 1}
        yield "replicasets", replica_set
        for _ in range(living):
            yield "pods", pod(service, replica_set, own, chance)


def pod(service: Service, owner: Object, template: Object, chance: random.Random) -> Object:
    """One running, ready pod."""
    made = child("v1", "Pod", owner, f"{owner['metadata']['name']}-{letters(chance, 5)}", chance)
    made["metadata"]["labels"] = {"app": service.name, "pod-template-hash": owner["metadata"]["name"][-10:]}
    made["spec"] = {**template["spec"], "nodeName": f"node-{chance.randrange(100):03d}"}
    made["status"] = {
        "phase": "Running",
        "podIP": f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}",
        "startTime": BORN,
        "conditions": [condition(kind) for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": f"{container['image']}@sha256:{chance.randbytes(32).hex()}",
                "containerID": f"containerd://{chance.randbytes(32).hex()}",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": BORN}},
                "lastState": {},
            }
            for container in template["spec"]["containers"]
        ],
        "qosClass": "Burstable",
    }
    return made


def pod_template(service: Service, version: str = "v42") -> Object:
    """A service beside a proxy, with probes, volumes and variables as manifests have them."""
    proxy = container("proxy", "registry.test/mesh/proxy:1.30.1", 15021)
    main = container("main", f"registry.test/{service.namespace}/{service.name}:{version}", 8080)
    return {
        "metadata": {"labels": {"app": service.name, "team": service.namespace}},
        "spec": {
            "serviceAccountName": service.name,
            "terminationGracePeriodSeconds": 30,
            "containers": [main, proxy],
            "volumes": [
                {"name": "config", "configMap": {"name": f"{service.name}-config", "defaultMode": 420}},
                {"name": "tls", "secret": {"secretName": f"{service.name}-tls", "defaultMode": 420}},
                {"name": "scratch", "emptyDir": {}},
            ],
            "tolerations": [
                {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute"}
                for what in ("not-ready", "unreachable")
            ],
        },
    }


def container(name: str, image: str, port: int) -> Object:
    """A container with two probes, limits and ten variables."""
    probe = {"httpGet": {"path": "/healthz", "port": port, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "env": [{"name": f"{name.upper()}_OPTION_{index}", "value": f"value-{index}"} for index in range(10)],
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "readinessProbe": dict(probe),
        "livenessProbe": dict(probe),
        "volumeMounts": [
            {"name": which, "mountPath": f"/mnt/{which}", "readOnly": which != "scratch"}
            for which in ("config", "tls", "scratch")
        ],
    }


def policy(service: Service, chance: random.Random) -> Object:
    """A ServicePolicy that observes and takes its numbers from the mesh."""
    made = about("trimtab.dev/v1alpha1", "ServicePolicy", service, service.name, chance)
    made["spec"] = {
        "target": {"kind": "Deployment", "name": service.name},
        "metrics": {"preset": "istio"},
        "remediation": {"mode": "Observe"},
    }
    return made


def autoscaler(service: Service, chance: random.Random) -> Object:
    """A HorizontalPodAutoscaler on CPU, at work."""
    made = about("autoscaling/v2", "HorizontalPodAutoscaler", service, service.name, chance)
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}
    made["spec"] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.name},
        "minReplicas": 2,
        "maxReplicas": 20,
        "metrics": [{"type": "Resource", "resource": metric}],
    }
    made["status"] = {
        "currentReplicas": PODS_EACH,
        "desiredReplicas": PODS_EACH,
        "conditions": [condition("AbleToScale"), condition("ScalingActive")],
        "currentMetrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "current": {"averageUtilization": 55, "averageValue": "140m"}},
            }
        ],
    }
    return made


def about(version: str, kind: str, service: Service, name: str, chance: random.Random) -> Object:
    """An object's head, with who manages which of its fields."""
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": service.namespace,
            "uid": uid(chance),
            "generation": 1,
            "creationTimestamp": BORN,
            "labels": {"app": service.name, "team": service.namespace},
            "managedFields": [
                {
                    "manager": manager,
                    "operation": "Update",
                    "apiVersion": version,
                    "time": BORN,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": FIELDS,
                }
                for manager in ("kubectl", "kube-controller-manager")
            ],
        },
    }


OUTER: Final = ("metadata", "spec", "template", "containers", "status")
INNER: Final = ("annotations", "labels", "env", "image", "ports", "resources", "volumeMounts", "conditions")
FIELDS: Final[Object] = {f"f:{field}": {".": {}, **{f"f:{inner}": {} for inner in INNER}} for field in OUTER}


def child(version: str, kind: str, owner: Object, name: str, chance: random.Random) -> Object:
    """An object that another controls."""
    place = owner["metadata"]
    made = about(version, kind, Service(place["namespace"], place["labels"]["app"]), name, chance)
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": place["name"],
            "uid": place["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    return made


def condition(kind: str) -> Object:
    """A condition that has held since the beginning."""
    return {"type": kind, "status": "True", "reason": "Works", "lastTransitionTime": BORN, "lastUpdateTime": BORN}


def uid(chance: random.Random) -> str:
    """An identity of the usual length."""
    text = chance.randbytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def letters(chance: random.Random, count: int) -> str:
    """A generated suffix as Kubernetes makes it."""
    return "".join(chance.choices(POD_LETTERS, k=count))


def touched(pod: Object, at: datetime) -> Object:
    """The pod after a kubelet wrote its status again: nothing of meaning changes."""
    status = {**pod["status"], "message": f"seen at {at.astimezone(UTC):%H:%M:%S.%f}"}
    return {**pod, "status": status}
