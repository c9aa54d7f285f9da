"""A real API server behind a proxy that breaks the conversation: never a wrong answer, never a second write."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.cluster import KubernetesCluster
from controller.adapters.kubernetes.config import Connection
from controller.adapters.kubernetes.leases import open_leases
from controller.adapters.kubernetes.watch import KubernetesWatch
from controller.errors import ApiUnavailable
from controller.ports import Changed, LeaseState, Listed, Suspect, WatchEvent
from detectors.series import Workload
from remediations.cluster import Applied, Unknown, Unreadable, World
from remediations.plan import PatchOp, Step, StepClass
from remediations.steps import step_of
from tests.contracts.watch_contract import CONFIG_MAPS
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.proxy import (
    ApiServerProxy,
    CutWatch,
    Delay,
    Garbage,
    Gone,
    HalfOpen,
    Hang,
    Lost,
    Pass,
    Refuse,
    Status,
    Truncated,
)
from tests.controlplane.workloads import Workloads

IMAGE = "/spec/template/spec/containers/0/image"
OTHER = "registry.test/checkout:v42"

NEVER_ARRIVES = [Refuse(), Hang(), Status(500), Status(503), Status(429, retry_after=1), Garbage()]
ARRIVES = [Lost(), Truncated()]


@pytest.fixture
async def api(apiserver_proxy: ApiServerProxy) -> AsyncIterator[Api]:
    connection = Connection(kubeconfig=apiserver_proxy.kubeconfig, timeout_seconds=2, connect_seconds=2)
    async with await Api.open(connection) as opened:
        yield opened


@pytest.fixture
def cluster(api: Api) -> KubernetesCluster:
    return KubernetesCluster(api, lambda: datetime.now(UTC))


@pytest.fixture
def workload(workloads: Workloads, namespace: str) -> Workload:
    workloads.deploy("checkout", "registry.test/checkout:v41", 1, wait=True)
    return Workload(namespace, "Deployment", "checkout")


def image(workloads: Workloads) -> str:
    return str(workloads.deployment("checkout")["spec"]["template"]["spec"]["containers"][0]["image"])


async def planned(cluster: KubernetesCluster, workload: Workload) -> tuple[Step, str]:
    world = await cluster.read(workload)
    assert isinstance(world, World)
    step = step_of("faults", StepClass.VALUE_IDEMPOTENT, world, (PatchOp("replace", IMAGE, OTHER),))
    return replace(step, timeout_seconds=2), world.resource_version


def named(fault: Any) -> str:
    return repr(fault)


@pytest.mark.parametrize("fault", NEVER_ARRIVES, ids=named)
async def test_a_write_that_never_arrives_is_unknown_and_not_in(
    cluster: KubernetesCluster, workload: Workload, workloads: Workloads, apiserver_proxy: ApiServerProxy, fault: Any
) -> None:
    step, version = await planned(cluster, workload)
    apiserver_proxy.only = lambda seen: seen.method == "PATCH"
    apiserver_proxy.mode = fault
    await asyncio.sleep(0.1)  # a closed connection is noticed by the event loop

    result = await cluster.apply(step, version)

    assert isinstance(result, Unknown)
    assert (result.retry_after is not None) == isinstance(fault, Refuse) | (fault == Status(429, retry_after=1))
    assert image(workloads) == "registry.test/checkout:v41"
    assert sum(seen.method == "PATCH" for seen in apiserver_proxy.requests) <= 1


@pytest.mark.parametrize("fault", ARRIVES, ids=named)
async def test_a_write_whose_answer_is_lost_is_unknown_and_was_sent_once(
    cluster: KubernetesCluster, workload: Workload, workloads: Workloads, apiserver_proxy: ApiServerProxy, fault: Any
) -> None:
    """It is in. Sent again from the same reading, it is a conflict: nothing is done twice."""
    step, version = await planned(cluster, workload)
    apiserver_proxy.only = lambda seen: seen.method == "PATCH"
    apiserver_proxy.mode = fault

    result = await cluster.apply(step, version)
    apiserver_proxy.mode = Pass()

    assert isinstance(result, Unknown)
    assert result.retry_after is None
    assert image(workloads) == OTHER
    assert sum(seen.method == "PATCH" for seen in apiserver_proxy.requests) == 1
    assert not isinstance(await cluster.apply(step, version), Applied)


async def test_a_slow_answer_within_the_deadline_is_an_answer(
    cluster: KubernetesCluster, workload: Workload, workloads: Workloads, apiserver_proxy: ApiServerProxy
) -> None:
    apiserver_proxy.mode = Delay(0.3)
    result: object = None
    for _ in range(5):
        step, version = await planned(cluster, workload)
        result = await cluster.apply(step, version)
        if isinstance(result, Applied):
            break

    assert isinstance(result, Applied)
    assert image(workloads) == OTHER


@pytest.mark.parametrize("fault", [*NEVER_ARRIVES, *ARRIVES], ids=named)
async def test_a_reading_is_whole_or_unreadable(
    cluster: KubernetesCluster, workload: Workload, apiserver_proxy: ApiServerProxy, fault: Any
) -> None:
    """Also when only one of its parts cannot be read."""
    apiserver_proxy.only = lambda seen: seen.path.endswith("/poddisruptionbudgets")
    apiserver_proxy.mode = fault

    result = await cluster.read(workload)
    apiserver_proxy.mode = Pass()

    assert isinstance(result, Unreadable)
    assert isinstance(await cluster.read(workload), World)


@pytest.mark.parametrize("fault", [*NEVER_ARRIVES, *ARRIVES], ids=named)
async def test_a_lease_that_cannot_be_read_or_written_is_unavailable(
    namespace: str, apiserver_proxy: ApiServerProxy, fault: Any
) -> None:
    connection = Connection(kubeconfig=apiserver_proxy.kubeconfig, timeout_seconds=1, connect_seconds=1)
    leases = await open_leases(connection, namespace, "trimtab")
    apiserver_proxy.mode = fault

    with pytest.raises(ApiUnavailable):
        await leases.read()
    with pytest.raises(ApiUnavailable):
        await leases.write(LeaseState("one", datetime.now(UTC), timedelta(seconds=15), 0, {}, ""))
    await leases.close()


@pytest.fixture
async def events(api: Api, namespace: str) -> AsyncIterator[AsyncGenerator[WatchEvent, None]]:
    watch = KubernetesWatch(api, silence=timedelta(seconds=2), lifetime=timedelta(minutes=5), chance=random.Random(7))
    stream = cast("AsyncGenerator[WatchEvent, None]", watch.stream(CONFIG_MAPS, namespace))
    async with aclosing(stream):
        yield stream


async def put(control_plane: ControlPlane, namespace: str, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    await asyncio.to_thread(control_plane.api.create, body, namespace)


async def next_that(events: AsyncGenerator[WatchEvent, None], *kinds: type[WatchEvent]) -> WatchEvent:
    async with asyncio.timeout(60):
        async for event in events:
            if isinstance(event, kinds):
                return event
    raise AssertionError("a stream never ends")


async def test_a_half_open_watch_is_suspect_and_loses_nothing(
    events: AsyncGenerator[WatchEvent, None],
    control_plane: ControlPlane,
    namespace: str,
    apiserver_proxy: ApiServerProxy,
) -> None:
    await next_that(events, Listed)
    waiting = asyncio.ensure_future(next_that(events, Suspect))
    apiserver_proxy.mode = HalfOpen()
    await put(control_plane, namespace, "unheard")
    suspect = await waiting
    apiserver_proxy.mode = Pass()
    again = await next_that(events, Listed)

    assert "nothing was heard" in cast("Suspect", suspect).reason
    assert "unheard" in {one["metadata"]["name"] for one in cast("Listed", again).objects}


async def test_a_watch_told_that_its_version_is_too_old_lists_again(
    events: AsyncGenerator[WatchEvent, None],
    control_plane: ControlPlane,
    namespace: str,
    apiserver_proxy: ApiServerProxy,
) -> None:
    apiserver_proxy.mode = Gone()
    first = await next_that(events, Listed, Suspect)
    second = await next_that(events, Listed, Suspect)
    apiserver_proxy.mode = Pass()
    await put(control_plane, namespace, "later")

    assert isinstance(first, Listed)
    assert isinstance(second, Listed)
    heard = await next_that(events, Changed, Listed, Suspect)
    while not isinstance(heard, Changed):
        assert isinstance(heard, Listed)
        if "later" in {one["metadata"]["name"] for one in heard.objects}:
            break
        heard = await next_that(events, Changed, Listed, Suspect)


async def test_a_watch_that_is_cut_again_and_again_misses_nothing(
    events: AsyncGenerator[WatchEvent, None],
    control_plane: ControlPlane,
    namespace: str,
    apiserver_proxy: ApiServerProxy,
) -> None:
    await next_that(events, Listed)
    apiserver_proxy.mode = CutWatch(after=1)
    wanted = {f"one-{number}" for number in range(5)}
    heard: set[str] = set()
    for name in sorted(wanted):
        await put(control_plane, namespace, name)
    while not wanted <= heard:
        match await next_that(events, Changed, Listed):
            case Listed(objects=objects):
                heard |= {str(one["metadata"]["name"]) for one in objects}
            case Changed(object=one):
                heard.add(str(one["metadata"]["name"]))
            case _:
                raise AssertionError("only these were asked for")

    assert wanted <= heard
