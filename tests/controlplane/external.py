"""External metrics of one's own: an aggregated API, so that the real HPA controller scales by what a test says.

Serves `external.metrics.k8s.io/v1beta1` by TLS behind the API server's aggregation layer, as the adapter of KEDA or of
Prometheus does, and answers nobody but the API server's front proxy. A metric that nobody knows is a 404, never 0.
"""

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from tests.controlplane.api import ApiError, Json
from tests.controlplane.background import HttpServer, application
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.ports import free_port
from tests.controlplane.waiting import wait_for

GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
AUTOSCALING = "autoscaling/v2"
REGISTRATION = "apiregistration.k8s.io/v1"

Value = float | None | Callable[[], float | None]


@dataclass(frozen=True)
class Reading:
    """One look: when (seconds since the epoch), and the value that was served; None when nobody knew it."""

    at: float
    value: float | None


class ExternalMetrics:
    """The metrics of `plane`, until `close`. A control plane has room for one of these."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._name = "external-metrics"
        self._values: dict[tuple[str, str], Value] = {}
        self._readings: dict[tuple[str, str], list[Reading]] = {}
        self._lock = threading.Lock()
        host = f"{self._name}.kube-system.svc"
        self._server = HttpServer(
            self._name, lambda: application(self._answer), free_port(), serving=self._serving(plane, host)
        )
        self._register()

    @property
    def url(self) -> str:
        """Where the aggregated API listens itself."""
        return self._server.url

    def set(self, namespace: str, name: str, value: Value) -> None:
        """What the metric is from now on, None for unknown; a callable is asked at each look."""
        with self._lock:
            self._values[namespace, name] = value

    def forget(self, namespace: str, name: str) -> None:
        """From now on nobody knows this metric."""
        with self._lock:
            self._values.pop((namespace, name), None)

    def readings(self, namespace: str, name: str) -> tuple[Reading, ...]:
        """Every answer about this metric, oldest first: one each time the HPA controller looked.

        It does not look while the replicas are outside of what the HPA allows.
        """
        with self._lock:
            return tuple(self._readings.get((namespace, name), ()))

    def close(self) -> None:
        """Take the API out of the API server (or no namespace would ever end) and close the server."""
        if self._plane.apiserver.running:
            self._plane.api.delete(REGISTRATION, "apiservices", f"{VERSION}.{GROUP}")
            self._plane.api.delete("v1", "services", self._name, "kube-system")
        self._server.close()

    def _serving(self, plane: ControlPlane, host: str) -> ssl.SSLContext:
        pair = plane.serving_certificate(self._name, (host, "127.0.0.1"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=str(plane.front_proxy_ca))
        return context

    def _register(self) -> None:
        api = self._plane.api
        # An external name is the one kind of Service that leads out of a cluster without kube-proxy.
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self._name},
            "spec": {"type": "ExternalName", "externalName": "127.0.0.1"},
        }
        api.create(service, "kube-system")
        registration = {
            "apiVersion": REGISTRATION,
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": self._plane.ca_base64,
                "service": {"namespace": "kube-system", "name": self._name, "port": self._server.port},
            },
        }
        api.create(registration)
        wait_for("the external metrics are served", self._served, absorb=(ApiError,))

    def _served(self) -> bool:
        return bool(self._plane.api.request("GET", f"/apis/{API_VERSION}")["kind"] == "APIResourceList")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        match request.path.strip("/").split("/"):
            case ["apis", group, version] if (group, version) == (GROUP, VERSION):
                return web.json_response(self._resources())
            case ["apis", group, version, "namespaces", namespace, name] if (group, version) == (GROUP, VERSION):
                return self._reading(namespace, name)
            case _:
                return _missing(request.path)

    def _resources(self) -> Json:
        with self._lock:
            names = sorted({name for _, name in self._values})
        resources = [
            {"name": name, "singularName": "", "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
            for name in names
        ]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION, "resources": resources}

    def _reading(self, namespace: str, name: str) -> web.StreamResponse:
        key = (namespace, name)
        with self._lock:
            asked = self._values.get(key)
            value = asked() if callable(asked) else asked
            reading = Reading(time.time(), value)
            self._readings.setdefault(key, []).append(reading)
        if value is None:
            return _missing(f"metric {name} in {namespace}")
        item = {
            "metricName": name,
            "metricLabels": {},
            "timestamp": datetime.fromtimestamp(reading.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "value": f"{round(value * 1000)}m",
        }
        return web.json_response(
            {"kind": "ExternalMetricValueList", "apiVersion": API_VERSION, "metadata": {}, "items": [item]}
        )


def _missing(what: str) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
    return web.json_response({**status, "message": f"there is no {what}"}, status=404)


def autoscaler(
    deployment: str,
    metric: str,
    per_pod: float,
    *,
    minimum: int = 1,
    maximum: int = 10,
    name: str = "",
    behavior: Json | None = None,
    labels: dict[str, str] | None = None,
) -> Json:
    """An HPA of `deployment` that gives every `per_pod` of the external metric a pod (AverageValue)."""
    target = {"type": "AverageValue", "averageValue": f"{round(per_pod * 1000)}m"}
    spec: Json = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
        "minReplicas": minimum,
        "maxReplicas": maximum,
        "metrics": [{"type": "External", "external": {"metric": {"name": metric}, "target": target}}],
    }
    return {
        "apiVersion": AUTOSCALING,
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name or deployment, **({"labels": labels} if labels else {})},
        "spec": spec if behavior is None else {**spec, "behavior": behavior},
    }
