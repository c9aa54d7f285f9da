"""Label selectors mean here what they mean to the API server, asked about the same labels."""

from typing import Any

import pytest

from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.selectors import query_of, selects
from tests.contracts.watch_contract import CONFIG_MAPS
from tests.controlplane.cluster import ControlPlane

LABELLED: dict[str, dict[str, str]] = {
    "none": {},
    "web": {"app": "web"},
    "web-canary": {"app": "web", "track": "canary"},
    "search": {"app": "search", "track": "stable"},
    "empty": {"app": ""},
}

SELECTORS: list[dict[str, Any]] = [
    {"matchLabels": {"app": "web"}},
    {"matchLabels": {"app": "web", "track": "canary"}},
    {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "search"]}]},
    {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
    {"matchExpressions": [{"key": "track", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "track", "operator": "DoesNotExist"}]},
    {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "track", "operator": "NotIn", "values": ["canary"]}]},
    {"matchLabels": {"app": ""}},
]


async def test_the_server_selects_what_we_select(api: Api, control_plane: ControlPlane, namespace: str) -> None:
    for name, labels in LABELLED.items():
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
        control_plane.api.create(body, namespace)

    for selector in SELECTORS:
        _, found = await api.list(CONFIG_MAPS, namespace, query_of(selector))
        theirs = {one["metadata"]["name"] for one in found} & LABELLED.keys()
        assert theirs == {name for name, labels in LABELLED.items() if selects(selector, labels)}, selector


def test_a_missing_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert not selects(None, {"app": "web"})
    assert selects({}, {"app": "web"})


@pytest.mark.parametrize("operator", ["in", "Gt", ""])
def test_an_unknown_operator_is_an_error(operator: str) -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": operator}]}

    with pytest.raises(ValueError, match="which Kubernetes does not have"):
        selects(selector, {"app": "web"})
    with pytest.raises(ValueError, match="which Kubernetes does not have"):
        query_of(selector)
