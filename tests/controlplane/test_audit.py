"""The judge is proved before it judges: it finds what was planted, and nothing that is not an effect."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.api import APPLY_PATCH, JSON_PATCH, Api, ApiError, Json
from tests.controlplane.audit import EPOCH, AuditLog, Effect, Gvr, Mark, Verb, denied, effects, fences, used_verbs
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for

VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]


class Actor:
    """A ServiceAccount that may everything in its namespace but touch secrets, and the judge's eyes on it."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.audit = cluster.audit
        self.namespace = namespace
        self.user = f"system:serviceaccount:{namespace}:actor"
        self.admin = cluster.api
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "actor"},
            "rules": [
                {"apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"], "verbs": VERBS},
                {
                    "apiGroups": ["", "events.k8s.io"],
                    "resources": ["configmaps", "events", "pods", "pods/eviction"],
                    "verbs": VERBS,
                },
                {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": VERBS},
            ],
        }
        self.admin.create(role, namespace)
        self.api = Api(cluster.service_account_kubeconfig(namespace, "actor"))
        cluster.kubectl(
            "-n", namespace, "create", "rolebinding", "actor", "--role=actor", f"--serviceaccount={namespace}:actor"
        )
        wait_for("the rights are there", lambda: self.api.list("v1", "configmaps", namespace), absorb=(ApiError,))
        self.target = self.admin.create(_config_map("target", {"kept": "yes"}), namespace)
        self.mark = self.audit.mark()

    def effects(self) -> list[Effect]:
        return effects(self.audit, since=self.mark, user=self.user)

    def fences(self) -> list[Effect]:
        return fences(self.audit, since=self.mark, user=self.user)

    def patch(self, body: Any, kind: str, **params: str) -> Json:
        return self.api.patch("v1", "configmaps", "target", body, self.namespace, kind=kind, **params)


@pytest.fixture
def actor(control_plane: ControlPlane, namespace: str) -> Iterator[Actor]:
    made = Actor(control_plane, namespace)
    yield made
    made.api.close()


def _config_map(name: str, annotations: dict[str, str] | None = None) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "annotations": annotations or {}}}


def test_one_planted_effect_is_found_with_who_what_and_where(actor: Actor) -> None:
    actor.patch({"data": {"planted": "here"}}, "application/merge-patch+json")

    (effect,) = actor.effects()
    assert (effect.user, effect.verb, effect.gvr) == (actor.user, "patch", Gvr("", "v1", "configmaps"))
    assert (effect.namespace, effect.name, effect.subresource) == (actor.namespace, "target", "")
    assert effect.patch == {"data": {"planted": "here"}}
    assert effect.response is not None
    assert effect.response["data"] == {"planted": "here"}
    assert effect.code == 200
    assert actor.fences() == []


def _create(actor: Actor) -> None:
    actor.api.create(_config_map("new"), actor.namespace)


def _replace(actor: Actor) -> None:
    actor.api.replace("v1", "configmaps", {**actor.target, "data": {"a": "b"}})


def _delete(actor: Actor) -> None:
    actor.api.delete("v1", "configmaps", "target", actor.namespace)


def _delete_all(actor: Actor) -> None:
    actor.api.request("DELETE", f"/api/v1/namespaces/{actor.namespace}/configmaps", params={"labelSelector": "no=such"})


def _apply(actor: Actor) -> None:
    actor.patch({**_config_map("target"), "data": {"x": "y"}}, APPLY_PATCH, fieldManager="t", force="true")


@pytest.mark.parametrize(
    "change", [_create, _replace, _delete, _delete_all, _apply], ids=lambda change: change.__name__
)
def test_every_way_to_write_is_an_effect(actor: Actor, change: Callable[[Actor], None]) -> None:
    change(actor)

    assert len(actor.effects()) == 1


def test_a_write_to_a_subresource_is_an_effect_that_names_it(actor: Actor) -> None:
    container = {"name": "main", "image": "registry.test/x:v1"}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    actor.admin.create(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}, actor.namespace
    )

    actor.api.patch("apps/v1", "deployments", "x", {"spec": {"replicas": 1}}, actor.namespace, sub="scale")

    assert [effect.target for effect in actor.effects()] == [f"{actor.namespace}/deployments/scale/x"]


def _read(actor: Actor) -> None:
    actor.api.get("v1", "configmaps", "target", actor.namespace)
    actor.api.list("v1", "configmaps", actor.namespace)
    assert list(actor.api.watch("v1", "configmaps", actor.namespace, timeoutSeconds="1"))


def _dry_run(actor: Actor) -> None:
    actor.patch({"data": {"a": "b"}}, "application/merge-patch+json", dryRun="All")
    actor.api.create(_config_map("new"), actor.namespace, dryRun="All")
    actor.api.delete("v1", "configmaps", "target", actor.namespace, dryRun="All")
    path = f"/api/v1/namespaces/{actor.namespace}/configmaps/target"
    actor.api.request("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]})


def _refused(actor: Actor) -> None:
    stale = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "add", "path": "/data", "value": {}},
    ]
    attempts: list[Callable[[], object]] = [
        lambda: actor.patch(stale, JSON_PATCH),
        lambda: actor.api.create(_config_map("target"), actor.namespace),
        lambda: actor.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}, actor.namespace),
        lambda: actor.api.delete("v1", "configmaps", "absent", actor.namespace),
        lambda: actor.patch({"data": 7}, "application/merge-patch+json"),
    ]
    for attempt in attempts:
        with pytest.raises(ApiError):
            attempt()


def _lease_and_event(actor: Actor) -> None:
    meta = {"name": "x", "namespace": actor.namespace}
    actor.api.create(
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": {}}, actor.namespace
    )
    event = {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": {"namespace": actor.namespace}}
    actor.api.create(event, actor.namespace)


def _reviews(actor: Actor) -> None:
    attributes = {"namespace": actor.namespace, "verb": "get", "resource": "pods"}
    review = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
    actor.api.create({"apiVersion": "authorization.k8s.io/v1", **review})
    actor.api.create({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})


NOTHING = [_read, _dry_run, _refused, _lease_and_event, _reviews]


@pytest.mark.parametrize("harmless", NOTHING, ids=lambda harmless: harmless.__name__)
def test_what_changes_nothing_is_no_effect(actor: Actor, harmless: Callable[[Actor], None]) -> None:
    harmless(actor)

    assert (actor.effects(), actor.fences()) == ([], [])


POINTER = "/metadata/annotations/trimtab.dev~1epoch"
MERGE = "application/merge-patch+json"


def _locks(actor: Actor) -> list[Json]:
    metadata = actor.admin.get("v1", "configmaps", "target", actor.namespace)["metadata"]
    return [{"op": "test", "path": f"/metadata/{key}", "value": metadata[key]} for key in ("uid", "resourceVersion")]


def _fence_by_json_patch(actor: Actor) -> None:
    actor.patch([*_locks(actor), {"op": "add", "path": POINTER, "value": "7"}], JSON_PATCH)


def _fence_by_merge(actor: Actor) -> None:
    actor.patch({"metadata": {"annotations": {EPOCH: "7"}}}, MERGE)


def _fence_by_apply(actor: Actor) -> None:
    actor.patch(_config_map("target", {EPOCH: "7"}), APPLY_PATCH, fieldManager="fence")


def _fence_by_update(actor: Actor) -> None:
    current = actor.admin.patch("v1", "configmaps", "target", {"data": {"seen": "1"}}, actor.namespace)
    current["metadata"]["annotations"][EPOCH] = "7"
    actor.api.replace("v1", "configmaps", current)


def _fence_on_bare_object(actor: Actor) -> None:
    actor.admin.patch("v1", "configmaps", "target", {"metadata": {"annotations": None}}, actor.namespace)
    actor.patch([*_locks(actor), {"op": "add", "path": "/metadata/annotations", "value": {EPOCH: "7"}}], JSON_PATCH)


FENCES = [_fence_by_json_patch, _fence_by_merge, _fence_by_apply, _fence_by_update, _fence_on_bare_object]


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: fence.__name__)
def test_a_write_of_only_the_epoch_is_a_fence(actor: Actor, fence: Callable[[Actor], None]) -> None:
    fence(actor)

    assert [one.target for one in actor.fences()] == [f"{actor.namespace}/configmaps/target"]
    assert actor.effects() == []


def _epoch_and_more(actor: Actor) -> None:
    steps = [{"op": "add", "path": POINTER, "value": "7"}, {"op": "add", "path": "/data", "value": {"a": "b"}}]
    actor.patch(steps, JSON_PATCH)


def _epoch_and_other_annotation(actor: Actor) -> None:
    actor.patch({"metadata": {"annotations": {EPOCH: "7", "other": "x"}}}, MERGE)


def _epoch_and_label(actor: Actor) -> None:
    actor.patch({"metadata": {"annotations": {EPOCH: "7"}, "labels": {"a": "b"}}}, MERGE)


def _map_that_drops_the_others(actor: Actor) -> None:
    actor.patch([*_locks(actor), {"op": "replace", "path": "/metadata/annotations", "value": {EPOCH: "7"}}], JSON_PATCH)


def _map_without_lock(actor: Actor) -> None:
    actor.patch([{"op": "add", "path": "/metadata/annotations", "value": {EPOCH: "7"}}], JSON_PATCH)


def _update_with_more(actor: Actor) -> None:
    current = actor.admin.patch("v1", "configmaps", "target", {"data": {"seen": "1"}}, actor.namespace)
    current["metadata"]["annotations"][EPOCH] = "7"
    actor.api.replace("v1", "configmaps", {**current, "data": {"seen": "2"}})


def _other_annotation(actor: Actor) -> None:
    actor.patch({"metadata": {"annotations": {"trimtab.dev/other": "7"}}}, MERGE)


DISGUISED = [
    _epoch_and_more,
    _epoch_and_other_annotation,
    _epoch_and_label,
    _map_that_drops_the_others,
    _map_without_lock,
    _update_with_more,
    _other_annotation,
]


@pytest.mark.parametrize("write", DISGUISED, ids=lambda write: write.__name__)
def test_an_effect_is_not_taken_for_a_fence(actor: Actor, write: Callable[[Actor], None]) -> None:
    write(actor)

    assert (len(actor.effects()), actor.fences()) == (1, [])


def test_refused_rights_and_used_rights_are_told_apart(actor: Actor) -> None:
    actor.api.get("v1", "configmaps", "target", actor.namespace)
    with pytest.raises(ApiError):
        actor.api.get("v1", "secrets", "any", actor.namespace)
    with pytest.raises(ApiError):
        actor.api.get("v1", "configmaps", "absent", actor.namespace)

    assert denied(actor.audit, actor.user, since=actor.mark) == [Verb("get", "", "secrets", "", actor.namespace)]
    assert used_verbs(actor.audit, actor.user, since=actor.mark) == {Verb("get", "", "configmaps", "", actor.namespace)}


def test_objects_of_the_group_trimtab_dev_are_no_effects(own_control_plane: ControlPlane) -> None:
    cluster = own_control_plane
    for group in ("trimtab.dev", "nottrimtab.dev"):
        cluster.api.create(_definition(group))
        served = partial(cluster.api.list, f"{group}/v1", "things")
        wait_for("the kind is served", served, until=lambda things: things == [], absorb=(ApiError,))
    mark = cluster.audit.mark()
    for group in ("trimtab.dev", "nottrimtab.dev"):
        cluster.api.create({"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "x"}}, "default")

    assert [str(one.gvr) for one in effects(cluster.audit, since=mark, user="admin")] == ["nottrimtab.dev/v1/things"]


def _definition(group: str) -> Json:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**kind, "metadata": {"name": f"things.{group}"}, "spec": spec}


def test_a_write_whose_end_was_never_logged_counts_as_an_effect(tmp_path: Path) -> None:
    """The API server was killed in the middle of it: it may have happened."""
    received = {
        "auditID": "1",
        "stage": "RequestReceived",
        "verb": "patch",
        "user": {"username": "u"},
        "objectRef": {"apiGroup": "apps", "apiVersion": "v1", "resource": "deployments", "namespace": "n", "name": "x"},
        "requestReceivedTimestamp": "2026-11-20T12:00:00.000000Z",
    }
    log = AuditLog(tmp_path / "audit.log")
    log.path.write_text(json.dumps(received) + "\n")

    assert [(one.target, one.code) for one in effects(log, since=Mark())] == [("n/deployments/x", 0)]
