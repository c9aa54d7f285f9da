"""The index of a namespace's policies is a shortcut: the same winner as asking each in turn, and never an old one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.api.v1alpha1.servicepolicy import ServicePolicy
from controller.observe.cache import Cache
from controller.observe.consent import Consents
from controller.observe.selection import selection, selects
from controller.ports import Changed, Deleted
from detectors.series import Workload
from remediations.registry import installed
from tests.observe.test_consent import CHECKOUT, LABELS, SETTINGS, policy

TARGETS = st.sampled_from(
    [
        {"kind": "Deployment", "name": "checkout"},
        {"kind": "Deployment", "name": "search"},
        {"kind": "StatefulSet", "name": "checkout"},
        {"kind": "Deployment", "matchLabels": {"tier": "shop"}},
        {"kind": "Deployment", "matchLabels": {"tier": "blog"}},
    ]
)


@given(st.lists(st.tuples(TARGETS, st.integers(1, 3)), max_size=6), st.sampled_from(["checkout", "search", "nobody"]))
def test_the_winner_is_the_oldest_that_selects(drawn: list[tuple[dict[str, Any], int]], name: str) -> None:
    items = [policy(f"p-{n}", created=f"2026-01-0{day}T00:00:00Z", target=to) for n, (to, day) in enumerate(drawn)]
    parsed = [(item, ServicePolicy.model_validate({**item, "status": {}})) for item in items]
    workload = Workload("shop", "Deployment", name)

    in_turn = sorted(parsed, key=lambda pair: (pair[0]["metadata"]["creationTimestamp"], pair[0]["metadata"]["name"]))
    expected = next((found for _, found in in_turn if selects(found, workload, LABELS)), None)
    assert selection(parsed).winner(workload, LABELS) == expected


def versioned(item: dict[str, Any], version: str) -> dict[str, Any]:
    return {**item, "metadata": {**item["metadata"], "resourceVersion": version}}


def test_a_policy_that_comes_changes_or_goes_counts_at_once() -> None:
    cache = Cache(lambda kind, item: None)
    shelf = cache.shelf(SERVICE_POLICY)
    consents = Consents(SETTINGS, lambda kind: cache.shelf(kind).objects.values(), installed(), within=shelf.within)

    def told() -> tuple[str, str]:
        found = consents.of(CHECKOUT, LABELS).policy
        return found.name, found.mode.value

    assert told() == ("default", "Auto")
    cache.take(SERVICE_POLICY, None, Changed(policy("one", "Approve")))
    assert told() == ("shop/one@0", "Approve")
    cache.take(SERVICE_POLICY, None, Changed(versioned(policy("one", "Observe"), "2")))
    assert told() == ("shop/one@0", "Observe")
    cache.take(SERVICE_POLICY, None, Changed(versioned({**policy("one"), "spec": {}}, "3")))
    assert told() == ("shop/one@invalid", "Observe")
    cache.take(SERVICE_POLICY, None, Deleted(policy("one")))
    assert told() == ("default", "Auto")
