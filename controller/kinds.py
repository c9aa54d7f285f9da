"""The Kubernetes kinds trimtab reads, as the API server addresses them. trimtab's own are in
`controller/api/v1alpha1/kinds.py`.
"""

from __future__ import annotations

from controller.ports import ResourceKind

DEPLOYMENTS = ResourceKind("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = ResourceKind("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS = ResourceKind("apps", "v1", "daemonsets", "DaemonSet")
REPLICA_SETS = ResourceKind("apps", "v1", "replicasets", "ReplicaSet")
PODS = ResourceKind("", "v1", "pods", "Pod")
SERVICES = ResourceKind("", "v1", "services", "Service")
NODES = ResourceKind("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = ResourceKind("", "v1", "namespaces", "Namespace", namespaced=False)
BUDGETS = ResourceKind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
AUTOSCALERS = ResourceKind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
LEASES = ResourceKind("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = ResourceKind("events.k8s.io", "v1", "events", "Event")
WEBHOOKS = (
    ResourceKind(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
    ),
    ResourceKind(
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        namespaced=False,
    ),
)

WORKLOADS = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS)
"""Kinds that are observed as services."""
