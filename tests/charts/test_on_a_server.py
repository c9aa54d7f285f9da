"""The release on a real API server: what is installed, what the account may, and what nobody may."""

from collections.abc import Iterable, Iterator
from functools import partial

import pytest
import yaml

from remediations.templates import privileged_changes
from tests.api.examples import DECISION, POLICY, REMEDIATION, Json, spoilt
from tests.charts.chart import CRD, Helm, apply, may, of, one, resources
from tests.charts.fixtures import ELSEWHERE, SHOP, VALUES
from tests.charts.test_rendering import RELEASES
from tests.controlplane.api import Api, ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.errors import FixtureError
from tests.controlplane.waiting import wait_for

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]

ACTING, WATCHING = ("trimtab", "trimtab"), ("watching", "watcher-trimtab")
CHANGING = ("create", "update", "patch", "delete", "deletecollection")
READING = ("get", "list", "watch")
VERSION = "trimtab.dev/v1alpha1"
FOREIGN = {"monitoring.coreos.com/v1"}

STATUSES = ("plannedevents", "remediations", "runbooks", "servicepolicies")
BOOKS = {
    ("events.k8s.io/events", "create"), ("events.k8s.io/events", "patch"),
    ("trimtab.dev/remediations", "create"),
    *((f"trimtab.dev/{kind}/status", "patch") for kind in STATUSES),
    ("trimtab.dev/automationpauses", "create"), ("trimtab.dev/automationpauses", "delete"),
    ("authentication.k8s.io/tokenreviews", "create"), ("authorization.k8s.io/subjectaccessreviews", "create"),
}  # fmt: skip
"""What the account may change anywhere: nothing that runs."""
EVERYBODY = {
    *((f"authorization.k8s.io/{kind}", "create") for kind in ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    ("authentication.k8s.io/selfsubjectreviews", "create"),
}
LEASE = {("coordination.k8s.io/leases", "create")}
ACTIONS = {
    ("apps/deployments", "patch"), ("apps/statefulsets", "patch"), ("apps/daemonsets", "patch"),
    ("autoscaling/horizontalpodautoscalers", "patch"),
}  # fmt: skip


@pytest.mark.parametrize("values", RELEASES.values(), ids=RELEASES)
def test_every_object_passes_strict_validation_by_the_api_server(
    charted: ControlPlane, helm: Helm, values: Json
) -> None:
    """The operator's own kinds are not served here; a namespace that is only named is made for the occasion."""
    known = [found for found in helm.render(values) if found["apiVersion"] not in FOREIGN]
    for namespace in {found["metadata"].get("namespace", "trimtab") for found in known}:
        apply(charted, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])

    said = apply(charted, known, "--dry-run=server", "--force-conflicts")

    assert len(said.splitlines()) == len(known)


def test_the_admission_policies_are_free_of_type_errors(charted: ControlPlane) -> None:
    """The API server reads every expression against the schemas of what it will judge."""
    for policy in ("trimtab-workloads", "trimtab-remediations", "trimtab-autoscalers"):
        status = wait_for("the policy is read", partial(status_of, charted, policy))
        assert status.get("typeChecking", {}).get("expressionWarnings", []) == []


def status_of(plane: ControlPlane, policy: str) -> Json:
    """What the controller manager says of a policy once it has read it."""
    found = plane.api.get("admissionregistration.k8s.io/v1", "validatingadmissionpolicies", policy)
    status: Json = found.get("status", {})
    return status if "observedGeneration" in status else {}


def allowed(
    plane: ControlPlane, account: tuple[str, str], verbs: Iterable[str], namespace: str
) -> set[tuple[str, str]]:
    found = resources(plane)
    return {(each, verb) for each in found for verb in verbs if may(plane, account, verb, each, namespace)}


@pytest.mark.parametrize("namespace", [SHOP, "kube-system"])
def test_s11_a_fresh_install_has_no_right_to_change_anything_that_runs(charted: ControlPlane, namespace: str) -> None:
    """Asked of the API server for every resource it serves: what is left are trimtab's own books."""
    assert allowed(charted, WATCHING, CHANGING, namespace) == BOOKS | EVERYBODY


def test_s11_in_its_own_namespace_it_may_keep_its_lease_and_nothing_else(charted: ControlPlane) -> None:
    assert allowed(charted, WATCHING, CHANGING, "watching") == BOOKS | EVERYBODY | LEASE
    for verb, name, answer in (
        ("update", "watcher-trimtab", True), ("get", "watcher-trimtab", True),
        ("update", "another", False), ("get", "another", False), ("delete", "watcher-trimtab", False),
    ):  # fmt: skip
        assert may(charted, WATCHING, verb, "coordination.k8s.io/leases", "watching", name) is answer


def test_s17_the_right_to_act_ends_at_the_named_namespace(charted: ControlPlane) -> None:
    there = allowed(charted, ACTING, CHANGING, SHOP) - BOOKS - EVERYBODY

    assert there
    assert there <= ACTIONS
    assert allowed(charted, ACTING, CHANGING, ELSEWHERE) == BOOKS | EVERYBODY
    assert allowed(charted, ACTING, CHANGING, "kube-system") == BOOKS | EVERYBODY
    assert allowed(charted, ACTING, CHANGING, "trimtab") == BOOKS | EVERYBODY | LEASE


@pytest.mark.parametrize("account", [ACTING, WATCHING], ids=["acting", "watching"])
def test_s17_it_reads_no_secret_enters_no_container_and_makes_no_token(
    charted: ControlPlane, account: tuple[str, str]
) -> None:
    secret = {
        *(("/secrets", verb) for verb in READING),
        *(("/configmaps", verb) for verb in READING),
        *((f"/pods/{way}", verb) for way in ("exec", "attach", "portforward", "proxy") for verb in ("get", "create")),
        ("/serviceaccounts/token", "create"),
        ("/serviceaccounts", "impersonate"),
        ("rbac.authorization.k8s.io/roles", "escalate"),
        ("trimtab.dev/remediations", "approve"),
    }

    assert {
        each for each in secret for where in (SHOP, account[0]) if may(charted, account, each[1], each[0], where)
    } == set()


@pytest.fixture
def workload(charted: ControlPlane, fresh: str) -> Json:
    """A Deployment with one of everything that is guarded; no pods of it ever run."""
    container = {
        "name": "app", "image": "registry.test/app:v41",
        "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "known", "key": "key"}}}],
        "ports": [{"containerPort": 80}],
        "securityContext": {"runAsNonRoot": True},
        "resources": {"limits": {"memory": "64Mi"}},
    }  # fmt: skip
    template = {
        "metadata": {"labels": {"app": fresh}},
        "spec": {
            "serviceAccountName": "default",
            "containers": [container, {"name": "plain", "image": "registry.test/plain:v1"}],
            "securityContext": {"runAsUser": 1000},
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": fresh}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": fresh}, "spec": spec}
    return charted.api.create(body, SHOP)


def change(api: Api, workload: Json, *operations: Json) -> Json:
    prefixed = [{**each, "path": f"/spec/template/spec{each['path']}"} for each in operations]
    return api.patch(
        "apps/v1", "deployments", workload["metadata"]["name"], prefixed, SHOP, kind="application/json-patch+json"
    )


PLAIN: dict[str, Json] = {
    "image": {"op": "replace", "path": "/containers/0/image", "value": "registry.test/app:v40"},
    "memory limit": {"op": "replace", "path": "/containers/0/resources/limits/memory", "value": "128Mi"},
    "plain variable": {"op": "add", "path": "/containers/0/env/-", "value": {"name": "A", "value": "b"}},
    "a secret it already reads": {
        "op": "add", "path": "/containers/1/env",
        "value": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "known", "key": "other"}}}],
    },
    "mount of a volume it has": {
        "op": "add", "path": "/containers/0/volumeMounts", "value": [{"name": "data", "mountPath": "/data"}],
    },
    "without a container": {"op": "remove", "path": "/containers/1"},
    "another plain container": {
        "op": "add", "path": "/containers/-", "value": {"name": "new", "image": "registry.test/n:v1"},
    },
}  # fmt: skip
GUARDED: dict[str, tuple[Json, str]] = {
    "service account": ({"op": "replace", "path": "/serviceAccountName", "value": "admin"}, "serviceAccount"),
    "token": ({"op": "add", "path": "/automountServiceAccountToken", "value": True}, "automountServiceAccountToken"),
    "secret volume": (
        {"op": "add", "path": "/volumes/-", "value": {"name": "s", "secret": {"secretName": "all"}}}, "volumes",
    ),
    "host path": ({"op": "add", "path": "/volumes/-", "value": {"name": "h", "hostPath": {"path": "/"}}}, "volumes"),
    "volumes taken": ({"op": "remove", "path": "/volumes"}, "volumes"),
    "host network": ({"op": "add", "path": "/hostNetwork", "value": True}, "hostNetwork"),
    "host processes": ({"op": "add", "path": "/hostPID", "value": True}, "hostPID"),
    "host memory": ({"op": "add", "path": "/hostIPC", "value": True}, "hostIPC"),
    "host users": ({"op": "add", "path": "/hostUsers", "value": True}, "hostUsers"),
    "host aliases": (
        {"op": "add", "path": "/hostAliases", "value": [{"ip": "10.0.0.1", "hostnames": ["db"]}]}, "hostAliases",
    ),
    "host port": ({"op": "add", "path": "/containers/0/ports/0/hostPort", "value": 8080}, "hostPort"),
    "host name": ({"op": "add", "path": "/hostname", "value": "db"}, "hostname"),
    "processes of its neighbours": ({"op": "add", "path": "/shareProcessNamespace", "value": True}, "shareProcess"),
    "node": ({"op": "add", "path": "/nodeName", "value": "node-1"}, "nodeName"),
    "pod security": ({"op": "replace", "path": "/securityContext/runAsUser", "value": 0}, "securityContext"),
    "container security": (
        {"op": "replace", "path": "/containers/0/securityContext", "value": {"runAsUser": 0}}, "securityContext",
    ),
    "container security taken": ({"op": "remove", "path": "/containers/0/securityContext"}, "securityContext"),
    "container security given": (
        {"op": "add", "path": "/containers/1/securityContext", "value": {"runAsUser": 0}}, "securityContext",
    ),
    "privileged container": (
        {"op": "add", "path": "/containers/-",
         "value": {"name": "new", "image": "registry.test/n:v1", "securityContext": {"runAsUser": 0}}},
        "securityContext",
    ),
    "privileged init container": (
        {"op": "add", "path": "/initContainers",
         "value": [{"name": "new", "image": "registry.test/n:v1", "securityContext": {"runAsUser": 0}}]},
        "securityContext",
    ),
    "another secret as variable": (
        {"op": "add", "path": "/containers/1/env",
         "value": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "all", "key": "key"}}}]},
        "another secret",
    ),
    "another secret whole": (
        {"op": "add", "path": "/containers/1/envFrom", "value": [{"secretRef": {"name": "all"}}]}, "another secret",
    ),
}  # fmt: skip


@pytest.mark.parametrize("operation", PLAIN.values(), ids=PLAIN)
def test_a_plain_change_passes(account: Api, workload: Json, operation: Json) -> None:
    after = change(account, workload, operation)

    assert after["metadata"]["generation"] == 2
    assert privileged_changes(workload["spec"]["template"], after["spec"]["template"]) == ()


@pytest.mark.parametrize(("operation", "named"), GUARDED.values(), ids=GUARDED)
def test_s17_the_account_changes_nothing_that_widens_what_a_pod_may(
    account: Api, workload: Json, operation: Json, named: str
) -> None:
    with pytest.raises(ApiError, match=f"trimtab may not .*{named}"):
        change(account, workload, operation)


@pytest.mark.parametrize(("operation", "named"), GUARDED.values(), ids=GUARDED)
def test_the_same_change_by_a_person_is_theirs_and_no_rollback_would_plan_it(
    charted: ControlPlane, workload: Json, operation: Json, named: str
) -> None:
    """What the policy refuses, the planner hands over: nobody is asked to approve what the API server will not take."""
    after = change(charted.api, workload, operation)

    assert after["metadata"]["generation"] == 2
    assert privileged_changes(workload["spec"]["template"], after["spec"]["template"])


def test_s17_even_with_the_right_to_it_the_account_creates_nothing_that_runs(
    charted: ControlPlane, account: Api
) -> None:
    """Somebody may bind more to the account than the chart does: the policy still holds it."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "too-much"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "trimtab", "name": "trimtab"}],
    }
    charted.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "widened"}})
    charted.api.create(binding, "widened")
    wait_for("the right is there", lambda: may(charted, ACTING, "create", "/pods", "widened"))
    pod: Json = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "registry.test/a:v1"}]}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod["spec"]}
    apps = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    bodies: list[Json] = [
        {"apiVersion": "v1", "kind": "Pod", **pod},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": apps},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"},
         "spec": {"template": {"spec": {**pod["spec"], "restartPolicy": "Never"}}}},
    ]  # fmt: skip

    for body in bodies:
        with pytest.raises(ApiError, match="trimtab only changes Deployments, StatefulSets and DaemonSets that exist"):
            account.create(body, "widened")
    charted.api.delete("v1", "namespaces", "widened")


# ── answers ──


def person(plane: ControlPlane, name: str) -> Iterator[Api]:
    api = Api(plane.user_kubeconfig(name))
    yield api
    api.close()


@pytest.fixture
def mara(charted: ControlPlane) -> Iterator[Api]:
    """An approver by the chart's values."""
    yield from person(charted, "mara")


@pytest.fixture
def editor(charted: ControlPlane, fresh: str) -> Iterator[Api]:
    """Somebody who may write Remediations, but holds no verb approve."""
    rules = [
        {"apiGroups": ["trimtab.dev"], "resources": ["remediations"], "verbs": ["get", "patch", "update", "create"]}
    ]
    rules += [{"apiGroups": ["trimtab.dev"], "resources": ["remediations/status"], "verbs": ["patch"]}]
    group = "rbac.authorization.k8s.io"
    charted.api.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": fresh}, "rules": rules}, SHOP)
    charted.api.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": fresh},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": fresh},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "eddy"}],
        },
        SHOP,
    )
    yield from person(charted, "eddy")


@pytest.fixture
def question(account: Api, fresh: str) -> str:
    """The name of a Remediation that waits for its answer."""
    account.create(spoilt(REMEDIATION, "metadata.name", fresh), SHOP)
    return fresh


def answer(api: Api, question: str, **changes: str) -> Json:
    return api.patch(VERSION, "remediations", question, {"spec": {"decision": {**DECISION, **changes}}}, SHOP)


def test_s19_an_approver_answers_once_in_her_own_name(mara: Api, question: str) -> None:
    assert answer(mara, question)["spec"]["decision"]["by"] == "mara"

    for again in ({"verdict": "Reject"}, {"reason": "second thoughts"}):
        with pytest.raises(ApiError, match="a decision is made once"):
            answer(mara, question, **again)
    with pytest.raises(ApiError, match="a decision is made once"):
        mara.patch(VERSION, "remediations", question, {"spec": {"decision": None}}, SHOP)


def test_s19_the_same_answer_again_changes_nothing(mara: Api, question: str) -> None:
    first = answer(mara, question)

    assert answer(mara, question)["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_s19_nobody_answers_in_the_name_of_another(mara: Api, charted: ControlPlane, question: str) -> None:
    with pytest.raises(ApiError, match=r"decision\.by must be whoever writes it: mara"):
        answer(mara, question, by="li")
    with pytest.raises(ApiError, match=r"decision\.by must be whoever writes it: admin"):
        answer(charted.api, question, by="mara")


def test_s19_writing_remediations_is_not_approving_them(editor: Api, question: str) -> None:
    with pytest.raises(ApiError, match="eddy may not approve remediations in shop") as refused:
        answer(editor, question, by="eddy")
    assert refused.value.code == 403


def test_s19_trimtab_does_not_answer_its_own_questions(account: Api, charted: ControlPlane, question: str) -> None:
    us = "system:serviceaccount:trimtab:trimtab"
    with pytest.raises(ApiError) as refused:
        answer(account, question, by=us)
    assert refused.value.code == 403

    with pytest.raises(ApiError):
        account.create(
            spoilt(spoilt(REMEDIATION, "metadata.name", f"{question}-x"), "spec.decision", {**DECISION, "by": us}), SHOP
        )


def test_s19_an_approver_of_one_namespace_is_none_of_another(
    charted: ControlPlane, mara: Api, account: Api, fresh: str
) -> None:
    there = spoilt(spoilt(REMEDIATION, "metadata.name", fresh), "metadata.namespace", ELSEWHERE)
    account.create(there, ELSEWHERE)

    with pytest.raises(ApiError) as refused:
        mara.patch(VERSION, "remediations", fresh, {"spec": {"decision": DECISION}}, ELSEWHERE)
    assert refused.value.code == 403


def undo(api: Api, question: str, by: str | None) -> Json:
    annotations = {"metadata": {"annotations": {"trimtab.dev/undo": by}}}
    return api.patch(VERSION, "remediations", question, annotations, SHOP)


def test_s19_an_undo_is_asked_by_an_approver_in_her_own_name(
    mara: Api, editor: Api, account: Api, question: str
) -> None:
    for api, by in ((mara, "li"), (editor, "eddy"), (editor, "mara"), (account, "mara")):
        with pytest.raises(ApiError) as refused:
            undo(api, question, by)
        assert refused.value.code in (403, 422)

    assert undo(mara, question, "mara")["metadata"]["annotations"] == {"trimtab.dev/undo": "mara"}
    assert "annotations" not in undo(mara, question, None)["metadata"]


def test_s19_a_remediation_begins_without_decision_and_without_a_wish_to_undo(account: Api, fresh: str) -> None:
    born = spoilt(REMEDIATION, "metadata", {"name": fresh, "annotations": {"trimtab.dev/undo": "mara"}})

    with pytest.raises(ApiError, match="begins without a wish to undo it"):
        account.create(born, SHOP)
    with pytest.raises(ApiError, match="begins without a decision"):
        account.create(spoilt(spoilt(REMEDIATION, "metadata.name", fresh), "spec.decision", DECISION), SHOP)


def test_only_trimtab_writes_remediations_and_what_became_of_them(
    charted: ControlPlane, editor: Api, question: str, fresh: str
) -> None:
    for api in (charted.api, editor):
        with pytest.raises(ApiError, match="only trimtab writes Remediations"):
            api.create(spoilt(REMEDIATION, "metadata.name", f"{fresh}-forged"), SHOP)
        with pytest.raises(ApiError, match="only trimtab says what became of a Remediation"):
            api.patch(VERSION, "remediations", question, {"status": {"outcome": "Effective"}}, SHOP, sub="status")


def test_a_person_may_still_label_and_delete_a_remediation(charted: ControlPlane, question: str) -> None:
    charted.api.patch(VERSION, "remediations", question, {"metadata": {"labels": {"a": "b"}}}, SHOP)

    charted.api.delete(VERSION, "remediations", question, SHOP)


def test_kubectl_patch_is_a_way_to_answer(charted: ControlPlane, question: str) -> None:
    text = yaml.safe_dump({"spec": {"decision": DECISION}})

    charted.kubectl(
        "-n", SHOP, "patch", "remediation", question, "--type=merge", "-p", text,
        kubeconfig=charted.user_kubeconfig("mara"),
    )  # fmt: skip

    assert charted.api.get(VERSION, "remediations", question, SHOP)["spec"]["decision"] == DECISION


def test_namespace_administrators_write_policies_without_the_right_to_approve(
    charted: ControlPlane, fresh: str
) -> None:
    group = "rbac.authorization.k8s.io"
    subject = {"apiGroup": group, "kind": "User", "name": "ada"}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "admin"}
    charted.api.create(
        {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": {"name": fresh}, "roleRef": role,
         "subjects": [subject]},
        SHOP,
    )  # fmt: skip
    kubeconfig = charted.user_kubeconfig("ada")

    def can(verb: str, resource: str) -> str:
        try:
            return charted.kubectl("auth", "can-i", verb, resource, "-n", SHOP, kubeconfig=kubeconfig).strip()
        except FixtureError as no:  # kubectl ends with 1 when the answer is no
            return str(no)

    wait_for("the roles are aggregated", lambda: can("create", "servicepolicies.trimtab.dev") == "yes", timeout=20)
    assert can("approve", "remediations.trimtab.dev") != "yes"
    assert POLICY["metadata"]["namespace"] == SHOP


def test_the_crds_stay_and_the_rest_goes(helm: Helm) -> None:
    objects = helm.render(VALUES)
    kept = [found for found in objects if (found["metadata"].get("annotations") or {}).get("helm.sh/resource-policy")]

    assert {found["kind"] for found in kept} == {CRD, "PersistentVolumeClaim"}
    assert len(of(kept, CRD)) == 6
    assert one(objects, "Deployment")["metadata"].get("annotations") is None


def test_a_service_account_may_answer_once_it_is_named_as_an_approver_and_reads_by_the_viewers_role(
    charted: ControlPlane, helm: Helm
) -> None:
    """docs/how-to/page.md: how to log in with `kubectl create token`."""
    charted.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "desk"}})
    reader, oncall = ("desk", "trimtab-reader"), ("desk", "oncall")
    for _, name in (reader, oncall):
        charted.kubectl("-n", "desk", "create", "serviceaccount", name)
    said = ("--clusterrole=trimtab-viewer", f"--serviceaccount={':'.join(reader)}")
    charted.kubectl("-n", "desk", "create", "rolebinding", "trimtab-reader", *said)
    named = helm.render({"act.namespaces": ["desk"], "approvers": [f"system:serviceaccount:{':'.join(oncall)}"]})
    apply(charted, [found for found in of(named, "RoleBinding") if found["metadata"]["name"] == "trimtab-approvers"])

    wait_for("the roles count", lambda: may(charted, oncall, "approve", "trimtab.dev/remediations", "desk"))
    assert may(charted, reader, "get", "trimtab.dev/remediations", "desk")
    assert not may(charted, reader, "approve", "trimtab.dev/remediations", "desk")
    assert not may(charted, oncall, "approve", "trimtab.dev/remediations", SHOP)
