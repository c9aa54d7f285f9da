"""The cache keeps what is noticed, and no more of what there is most of."""

from typing import Any

from controller.kinds import AUTOSCALERS, DEPLOYMENTS, PODS, REPLICA_SETS
from controller.observe.cache import Cache, Shelf
from controller.ports import Changed, Deleted, Listed
from detectors.series import Workload
from remediations.cluster import World
from remediations.memory import MemoryCluster, autoscaler, deployment
from tests.loops.stage import BEGIN


def world() -> World:
    cluster = MemoryCluster(lambda: BEGIN)
    found = cluster.look(cluster.create(deployment("shop", "checkout", "registry.test/shop:v1", 2)))
    assert isinstance(found, World)
    return found


def managed(item: Any) -> dict[str, Any]:
    return {**item, "metadata": {**item["metadata"], "managedFields": [{"manager": "kubectl"}]}}


def filled(found: World) -> Cache:
    cache = Cache(lambda kind, item: None)
    cache.take(DEPLOYMENTS, None, Listed((managed(found.object),)))
    cache.take(REPLICA_SETS, None, Listed(tuple(map(managed, found.replica_sets))))
    for pod in found.pods:
        cache.take(PODS, None, Changed(managed(pod)))
    return cache


def test_of_pods_and_replica_sets_nobody_needs_who_manages_which_field() -> None:
    found = world()
    seen = filled(found).world(found.workload, BEGIN)

    assert seen is not None
    assert "managedFields" in seen.object["metadata"]
    assert not any("managedFields" in item["metadata"] for item in (*seen.replica_sets, *seen.pods))
    assert [item["spec"] for item in seen.replica_sets] == [item["spec"] for item in found.replica_sets]


def test_a_pod_keeps_its_state_its_place_and_its_owner() -> None:
    found = world()
    seen = filled(found).world(found.workload, BEGIN)

    assert seen is not None
    for kept, pod in zip(seen.pods, sorted(found.pods, key=lambda pod: str(pod["metadata"]["name"])), strict=True):
        assert kept["metadata"] == {key: value for key, value in pod["metadata"].items() if key != "managedFields"}
        assert kept["status"] == pod["status"]
        assert set(kept["spec"]) == {"nodeName"}


def test_every_change_of_a_namespace_has_another_number() -> None:
    """0 is the number of none, so that a namespace that comes again is never taken for the one before."""
    shelf, item = Shelf(), {"metadata": {"name": "one", "namespace": "shop"}}
    numbers = []
    for change in (shelf.put, shelf.put, shelf.drop, shelf.put):
        change(item)
        numbers.append(shelf.within("shop")[0])

    assert numbers[2] == 0
    assert len(set(numbers)) == len(numbers)
    assert shelf.within("blog")[0] == 0
    assert list(shelf.within("shop")[1]) == [item]


def test_an_autoscaler_is_found_by_what_it_scales_now() -> None:
    """By name where there are several; no longer once it is gone or scales something else; never across namespaces."""
    cache, checkout = Cache(lambda kind, item: None), Workload("shop", "Deployment", "checkout")
    second, first = autoscaler("shop", "two", target="checkout"), autoscaler("shop", "one", target="checkout")
    cache.take(AUTOSCALERS, None, Listed((second, first, autoscaler("bank", "checkout"), autoscaler("shop", "cart"))))
    assert [item["metadata"]["name"] for item in cache.autoscalers(checkout)] == ["one", "two"]

    cache.take(AUTOSCALERS, None, Deleted(first))
    cache.take(AUTOSCALERS, None, Changed(autoscaler("shop", "two", target="cart")))

    assert cache.autoscalers(checkout) == ()
    assert len(cache.autoscalers(Workload("shop", "Deployment", "cart"))) == 2
