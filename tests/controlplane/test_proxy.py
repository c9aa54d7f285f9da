"""Each fault of the proxies is what a client would meet, and without one nothing is noticed."""

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.proxy import (
    ApiFault,
    ApiServerProxy,
    Basic,
    Bearer,
    ClockOff,
    CutWatch,
    Delay,
    Door,
    Duplicated,
    Empty,
    Garbage,
    Gone,
    HalfOpen,
    Hang,
    Infinite,
    Lost,
    NotANumber,
    Pass,
    PrometheusProxy,
    Refuse,
    Stale,
    Status,
    Tenant,
    Truncated,
    Warned,
)


@pytest.fixture
def api(apiserver_proxy: ApiServerProxy) -> Iterator[Api]:
    client = Api(apiserver_proxy.kubeconfig)
    yield client
    client.close()


def _config_map(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def _names(client: Api, namespace: str) -> set[str]:
    return {one["metadata"]["name"] for one in client.list("v1", "configmaps", namespace)} - {"kube-root-ca.crt"}


def test_without_a_fault_nothing_is_noticed(api: Api, namespace: str) -> None:
    api.create(_config_map("a"), namespace)
    api.patch("v1", "configmaps", "a", {"data": {"x": "ü" * 10_000}}, namespace)

    assert _names(api, namespace) == {"a"}
    events = list(api.watch("v1", "configmaps", namespace, timeoutSeconds="1"))
    assert {event["object"]["metadata"]["name"] for event in events} == {"a", "kube-root-ca.crt"}
    with pytest.raises(ApiError, match="404"):
        api.get("v1", "configmaps", "b", namespace)


def test_a_token_of_an_account_keeps_its_rights_through_the_proxy(
    apiserver_proxy: ApiServerProxy, control_plane: ControlPlane, namespace: str
) -> None:
    client = Api(apiserver_proxy.kubeconfig_for(control_plane.service_account_kubeconfig(namespace, "nobody")))
    with pytest.raises(ApiError, match="nobody"):
        client.list("v1", "pods", namespace)
    client.close()
    with pytest.raises(TypeError, match="has no token"):
        apiserver_proxy.kubeconfig_for(control_plane.kubeconfig)


@pytest.mark.parametrize(
    "fault", [Refuse(), Status(500), Status(503), Status(429, 1), Truncated(), Garbage()], ids=repr
)
def test_a_broken_api_server_answers_nothing_of_use_and_recovers(
    apiserver_proxy: ApiServerProxy, api: Api, namespace: str, fault: ApiFault
) -> None:
    broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, ApiError)
    apiserver_proxy.mode = fault
    if isinstance(fault, Garbage):
        assert api.request("GET", "/api/v1/namespaces") == {}
    else:
        with pytest.raises(broken) as met:
            api.request("GET", "/api/v1/namespaces")
        assert getattr(met.value, "code", None) == getattr(fault, "code", None)

    apiserver_proxy.mode = Pass()
    assert _names(api, namespace) == set()


def test_too_many_requests_say_when_to_come_again(apiserver_proxy: ApiServerProxy, api: Api) -> None:
    apiserver_proxy.mode = Status(429, retry_after=7)

    with pytest.raises(ApiError) as refused:
        api.request("GET", "/api")

    assert (refused.value.code, refused.value.retry_after) == (429, "7")


def test_a_hanging_server_never_answers_and_never_acts(
    apiserver_proxy: ApiServerProxy, api: Api, namespace: str
) -> None:
    apiserver_proxy.mode = Hang()
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with pytest.raises(requests.Timeout):
        api.request("POST", path, _config_map("a"), timeout=0.5)

    apiserver_proxy.mode = Pass()
    assert _names(api, namespace) == set()


def test_a_lost_answer_belongs_to_a_write_that_happened(
    apiserver_proxy: ApiServerProxy, api: Api, namespace: str
) -> None:
    apiserver_proxy.only = lambda seen: seen.method == "POST"
    apiserver_proxy.mode = Lost()
    with pytest.raises(requests.ConnectionError):
        api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", _config_map("a"))

    assert _names(api, namespace) == {"a"}


def test_a_late_answer_is_a_right_one(apiserver_proxy: ApiServerProxy, api: Api, namespace: str) -> None:
    apiserver_proxy.mode = Delay(0.5)
    with pytest.raises(requests.Timeout):
        api.request("GET", f"/api/v1/namespaces/{namespace}", timeout=0.1)
    assert api.request("GET", f"/api/v1/namespaces/{namespace}", timeout=30)["metadata"]["name"] == namespace


def test_an_empty_answer_has_no_items(apiserver_proxy: ApiServerProxy, api: Api, namespace: str) -> None:
    api.create(_config_map("a"), namespace)
    apiserver_proxy.mode = Empty()

    assert api.list("v1", "configmaps", namespace) == []


def test_a_watch_of_an_old_version_gets_410_inside_a_200(
    apiserver_proxy: ApiServerProxy, api: Api, namespace: str
) -> None:
    apiserver_proxy.mode = Gone()

    (event,) = list(api.watch("v1", "configmaps", namespace, resourceVersion="1"))

    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    assert api.list("v1", "configmaps", namespace)


def test_a_watch_is_cut_after_so_many_events(apiserver_proxy: ApiServerProxy, api: Api, namespace: str) -> None:
    for name in ("a", "b", "c"):
        api.create(_config_map(name), namespace)
    apiserver_proxy.mode = CutWatch(after=2)
    stream = api.watch("v1", "configmaps", namespace, timeoutSeconds="20")

    assert [next(stream)["type"] for _ in range(2)] == ["ADDED", "ADDED"]
    with pytest.raises(requests.RequestException):
        next(stream)


def test_a_watch_under_way_is_cut_at_once(apiserver_proxy: ApiServerProxy, api: Api, namespace: str) -> None:
    stream = api.watch("v1", "configmaps", namespace, timeoutSeconds="20")
    assert next(stream)["type"] == "ADDED"

    apiserver_proxy.mode = CutWatch()

    with pytest.raises(requests.RequestException):
        list(stream)


def test_a_half_open_watch_falls_silent_and_the_rest_goes_on(
    apiserver_proxy: ApiServerProxy, api: Api, namespace: str
) -> None:
    stream = api.watch("v1", "configmaps", namespace, timeoutSeconds="2")
    assert next(stream)["type"] == "ADDED"
    apiserver_proxy.mode = HalfOpen()
    api.create(_config_map("unseen"), namespace)
    assert _names(api, namespace) == {"unseen"}

    # The server's own timeout has passed by now; over a healthy wire the stream would have ended.
    patient = Api(apiserver_proxy.kubeconfig)
    patient.create(_config_map("later"), namespace)
    patient.close()
    with pytest.raises(requests.RequestException):
        next(_within(api, namespace))
    stream.close()  # type: ignore[attr-defined] # it is a generator


def _within(api: Api, namespace: str) -> Iterator[bytes]:
    """A watch that gives up after a second of silence."""
    path = f"{api.server}/api/v1/namespaces/{namespace}/configmaps"
    with api._session.get(path, params={"watch": "true"}, stream=True, timeout=(5, 1)) as answer:
        yield from answer.iter_lines()


def _query(proxy: PrometheusProxy, promql: str = "vector(7)") -> dict[str, Any]:
    answer = requests.get(f"{proxy.url}/api/v1/query", params={"query": promql}, timeout=2, proxies={"http": ""})
    answer.raise_for_status()
    decoded: dict[str, Any] = answer.json()
    return decoded


def _range(proxy: PrometheusProxy, now: float) -> list[list[Any]]:
    asked = {"query": "time()", "start": str(now - 1200), "end": str(now), "step": "60"}
    answer = requests.get(f"{proxy.url}/api/v1/query_range", params=asked, timeout=5, proxies={"http": ""})
    result = answer.json()["data"]["result"]
    values: list[list[Any]] = result[0]["values"] if result else []
    return values


def test_prometheus_answers_as_it_is_without_a_fault(prometheus_proxy: PrometheusProxy) -> None:
    body = _query(prometheus_proxy)

    assert (body["status"], body["data"]["result"][0]["value"][1]) == ("success", "7")
    assert len(_range(prometheus_proxy, time.time())) == 21


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (NotANumber(), math.isnan),
        (Infinite(), lambda x: x == math.inf),
        (Infinite(negative=True), lambda x: x == -math.inf),
    ],
    ids=["nan", "inf", "-inf"],
)
def test_values_that_are_no_numbers(prometheus_proxy: PrometheusProxy, fault: Any, check: Any) -> None:
    prometheus_proxy.mode = fault

    assert check(float(_query(prometheus_proxy)["data"]["result"][0]["value"][1]))
    assert all(check(float(value)) for _, value in _range(prometheus_proxy, time.time()))


def test_old_warned_double_empty_and_displaced_answers(prometheus_proxy: PrometheusProxy) -> None:
    now = time.time()
    prometheus_proxy.mode = Stale(600)
    assert _query(prometheus_proxy)["data"]["result"] == []
    assert _range(prometheus_proxy, now)[-1][0] == pytest.approx(now - 600, abs=1)
    prometheus_proxy.mode = Warned("partial")
    assert _query(prometheus_proxy)["warnings"] == ["partial"]
    prometheus_proxy.mode = Duplicated()
    assert [one["metric"] for one in _query(prometheus_proxy)["data"]["result"]] == [
        {"prometheus_replica": "a"},
        {"prometheus_replica": "b"},
    ]
    prometheus_proxy.mode = Empty()
    assert _query(prometheus_proxy)["data"] == {"resultType": "vector", "result": []}
    prometheus_proxy.mode = ClockOff(600)
    assert _query(prometheus_proxy)["data"]["result"][0]["value"][0] == pytest.approx(time.time() + 600, abs=30)


@pytest.mark.parametrize("fault", [Refuse(), Hang(), Status(503), Truncated(), Garbage(), Lost()], ids=repr)
def test_a_broken_prometheus_gives_no_answer(prometheus_proxy: PrometheusProxy, fault: Any) -> None:
    prometheus_proxy.mode = fault

    with pytest.raises(requests.RequestException):
        _query(prometheus_proxy)


@pytest.mark.parametrize(
    ("door", "key"),
    [
        (Basic("mara", "s3cret"), {"auth": ("mara", "s3cret")}),
        (Bearer("t0ken"), {"headers": {"Authorization": "Bearer t0ken"}}),
        (Tenant("shop"), {"headers": {"X-Scope-OrgID": "shop"}}),
    ],
    ids=["basic", "bearer", "tenant"],
)
def test_a_locked_door_opens_for_the_key_only(
    prometheus_proxy: PrometheusProxy, door: Door, key: dict[str, Any]
) -> None:
    locked = PrometheusProxy(prometheus_proxy.url, door=door)
    url = f"{locked.url}/api/v1/query?query=1"
    try:
        assert requests.get(url, timeout=5, proxies={"http": ""}).status_code == 401
        assert requests.get(url, timeout=5, proxies={"http": ""}, **key).status_code == 200
    finally:
        locked.close()
