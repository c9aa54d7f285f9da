"""What helm makes of values: nothing is required, nothing unknown is taken, nothing dangerous is rendered."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from controller.settings import load
from tests.charts.chart import CHART, Helm, HelmError, Json, of, one
from tests.charts.fixtures import VALUES

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]

POSTGRES = {"replicas": 3, "database.secret": "trimtab-database"}
EVERYTHING: Json = VALUES | POSTGRES | {
    "watch.namespaces": ["shop", "bank"],
    "serviceMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {}},
    "slack": {"channel": "#incidents", "users": {"U012ABC": "mara"}, "secret": "slack"},
    "notify": {"webhook": {"url": "https://pager.example/hook", "secret": ""}, "pagerduty": {"secret": "pagerduty"}},
    "protected": ["monitoring/prometheus"],
    "page": {"url": "https://trimtab.test", "proxyHeader": "X-Proxy", "trustedProxies": ["10.0.0.0/8"], "secret": ""},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "sre"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
    "priorityClassName": "system-cluster-critical",
    "image": {"repository": "registry.test/trimtab", "tag": "v1", "pullPolicy": "Always", "pullSecrets": ["pull"]},
    "env": {"TRIMTAB_WORKERS": "2"},
}  # fmt: skip
RELEASES = {"default": {}, "acting": VALUES, "three replicas": POSTGRES, "everything": EVERYTHING}
EVERY_RELEASE = pytest.mark.parametrize("values", RELEASES.values(), ids=RELEASES)


@EVERY_RELEASE
def test_the_chart_passes_strict_lint(helm: Helm, values: Json) -> None:
    helm("lint", "--strict", str(CHART), *(f"--set-json={key}={json.dumps(value)}" for key, value in values.items()))


def test_s11_the_default_release_renders_no_role_to_act(helm: Helm) -> None:
    default = helm.render()

    assert [role for role in of(default, "Role", "RoleBinding") if role["metadata"]["namespace"] != "trimtab"] == []
    assert all(not role["metadata"]["name"].endswith("-act") for role in of(default, "Role", "ClusterRole"))


@EVERY_RELEASE
def test_s17_no_role_holds_a_wildcard_a_secret_or_a_way_in(helm: Helm, values: Json) -> None:
    forbidden = {"*", "secrets", "pods/exec", "pods/attach", "serviceaccounts/token", "escalate", "bind", "impersonate"}

    for role in of(helm.render(values), "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert forbidden.isdisjoint({*rule["apiGroups"], *rule["resources"], *rule["verbs"]}), role["metadata"]


def test_s17_the_roles_to_act_stand_in_the_named_namespaces_only(helm: Helm) -> None:
    objects = helm.render({"act.namespaces": ["shop", "bank"]})

    acting = [role for role in of(objects, "Role") if role["metadata"]["name"] == "trimtab-act"]
    assert {role["metadata"]["namespace"] for role in acting} == {"shop", "bank"}
    cluster = (
        one(objects, "ClusterRole", "trimtab-observe")["rules"]
        + one(objects, "ClusterRole", "trimtab-cluster")["rules"]
    )
    workloads = [rule for rule in cluster if rule["apiGroups"][0] in ("", "apps", "autoscaling", "policy")]
    assert {verb for rule in workloads for verb in rule["verbs"]} == {"get", "list", "watch"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"act.namespaces": ["kube-system"]}, "trimtab never acts in kube-system"),
        ({"act.namespaces": ["shop", "kube-public"]}, "trimtab never acts in kube-public"),
        ({"act.namespaces": ["trimtab"]}, "trimtab is trimtab's own namespace"),
        ({"act.namespaces": ["shop"], "watch.namespaces": ["bank"]}, "shop is not watched"),
        ({"act.namespaces": ["shop"], "admission.enabled": False}, "could mount any secret"),
        ({"act.namespaces": ["shop"], "persistence.enabled": False}, "needs a log that survives the pod"),
        ({"approvers": ["group:sre"]}, "group:sre has no members"),
        ({"replicas": 2}, "/database/secret"),
        ({"replicas": 0}, "/replicas"),
        ({"serviceAccount.create": False}, "name the account"),
        ({"slack.chanel": "#x"}, "'chanel' not allowed"),
        ({"nonsense": 1}, "'nonsense' not allowed"),
        ({"resources.limits.gpu": 1}, "'gpu' not allowed"),
        ({"act.namespaces": "shop"}, "/act/namespaces"),
        ({"act.namespaces": ["*"]}, "/act/namespaces/0"),
        ({"prometheus.url": "prometheus:9090"}, "/prometheus/url"),
        ({"policyDefaults.mode": "auto"}, "/policyDefaults/mode"),
        ({"env": {"PATH": "/tmp"}}, "'PATH' not allowed"),
        ({"slack.users": {"mara": "mara"}}, "'mara' not allowed"),
    ],
    ids=str,
)  # fmt: skip
def test_impossible_values_are_refused_with_a_sentence(helm: Helm, values: Json, sentence: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm.render(values)

    assert sentence in str(refused.value)


def test_s18_the_own_namespace_is_refused_whatever_it_is_called(helm: Helm) -> None:
    with pytest.raises(HelmError, match="ops is trimtab's own namespace"):
        helm.render({"act.namespaces": ["ops"]}, namespace="ops")


def schema_nodes(node: Any, path: str = "") -> Iterator[tuple[str, Json]]:
    yield path, node
    for name, child in (node.get("properties", {}) | node.get("patternProperties", {})).items():
        yield from schema_nodes(child, f"{path}/{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from schema_nodes(node[key], f"{path}/{key}")


def test_the_values_schema_is_closed_at_every_node() -> None:
    """Only `global`, which a parent chart hands down and nothing reads, may hold anything."""
    for path, node in schema_nodes(json.loads((CHART / "values.schema.json").read_text())):
        assert "type" in node, path
        if node["type"] == "object" and path != "/global":
            assert node.get("additionalProperties") is False or isinstance(node["additionalProperties"], dict), path
        if node["type"] == "array":
            assert "items" in node, path


def test_every_value_is_in_the_schema_and_every_property_has_a_value() -> None:
    schema, values = (
        json.loads((CHART / "values.schema.json").read_text()),
        yaml.safe_load((CHART / "values.yaml").read_text()),
    )

    assert list(keys(values)) == [path for path in properties(schema) if not path.startswith("/global")]


def keys(value: Any, path: str = "") -> Iterator[str]:
    for name, child in value.items():
        yield f"{path}/{name}"
        if isinstance(child, dict) and f"{path}/{name}" != "/resources":
            yield from keys(child, f"{path}/{name}")


def properties(node: Json, path: str = "") -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}/{name}"
        if f"{path}/{name}" != "/resources":
            yield from properties(child, f"{path}/{name}")


@EVERY_RELEASE
def test_pods_run_restricted(helm: Helm, values: Json) -> None:
    """What the Pod Security Standard `restricted` asks, and a root file system that nobody writes."""
    objects = helm.render(values)
    for pod in [one(objects, "Deployment")["spec"]["template"]["spec"], one(objects, "Pod")["spec"]]:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "hostNetwork" not in pod
        assert pod["enableServiceLinks"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_one_replica_has_sqlite_on_a_claim_of_its_own(helm: Helm) -> None:
    objects = helm.render()
    deployment = one(objects, "Deployment")["spec"]
    claim = one(objects, "PersistentVolumeClaim")

    assert deployment["strategy"] == {"type": "Recreate"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert environment(deployment)["TRIMTAB_DATABASE_URL"] == "sqlite:////var/lib/trimtab/trimtab.db"
    assert of(objects, "PodDisruptionBudget") == []


def test_more_replicas_have_postgresql_a_budget_and_no_claim(helm: Helm) -> None:
    objects = helm.render(POSTGRES)
    deployment = one(objects, "Deployment")["spec"]

    assert deployment["strategy"]["type"] == "RollingUpdate"
    assert "TRIMTAB_DATABASE_URL" not in environment(deployment)
    assert of(objects, "PersistentVolumeClaim") == []
    assert one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    (database,) = [
        volume for volume in deployment["template"]["spec"]["volumes"] if volume["name"] == "secret-database"
    ]
    assert database["secret"] == {"secretName": "trimtab-database", "optional": False}


def test_every_other_secret_may_be_missing(helm: Helm) -> None:
    """Nothing is required: a secret that comes later is mounted when it comes."""
    volumes = one(helm.render(), "Deployment")["spec"]["template"]["spec"]["volumes"]
    secrets = {volume["name"]: volume["secret"] for volume in volumes if "secret" in volume}

    assert {each["optional"] for each in secrets.values()} == {True}
    assert secrets["secret-slack"]["secretName"] == "trimtab-slack"


@EVERY_RELEASE
def test_the_program_reads_the_settings_that_the_chart_writes(
    helm: Helm, values: Json, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every variable is a setting, and the mounted file is read strictly."""
    objects = helm.render(values)
    file = tmp_path / "settings.yaml"
    file.write_text(one(objects, "ConfigMap")["data"]["settings.yaml"])
    variables = environment(one(objects, "Deployment")["spec"]) | {"TRIMTAB_SETTINGS_FILE": str(file)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    settings = load()

    known = {f"TRIMTAB_{name.upper()}" for name in type(settings).model_fields} | {"TRIMTAB_SETTINGS_FILE"}
    assert set(variables) <= known
    assert settings.namespace == "trimtab"
    assert settings.http_host == "0.0.0.0"
    assert settings.act_namespaces == values.get("act.namespaces", [])
    assert settings.people.approvers == values.get("approvers", [])
    assert dict(settings.people.groups) == values.get("groups", {})
    assert settings.policy_defaults.mode == "Observe"
    assert (settings.budgets.namespace, settings.budgets.cluster) == (3, 10)


def test_the_service_finds_the_program_and_not_its_test(helm: Helm) -> None:
    objects = helm.render()
    selector = one(objects, "Service")["spec"]["selector"].items()

    assert selector <= one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert not selector <= one(objects, "Pod")["metadata"]["labels"].items()


def test_nothing_is_rendered_for_an_operator_that_may_not_be_there(helm: Helm) -> None:
    assert of(helm.render(), "ServiceMonitor", "PrometheusRule") == []
    assert len(of(helm.render(EVERYTHING), "ServiceMonitor", "PrometheusRule")) == 2


def test_traffic_comes_from_the_own_namespace_until_others_are_named(helm: Helm) -> None:
    (rule,) = one(helm.render(), "NetworkPolicy")["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {}}]

    (rule,) = one(helm.render({"networkPolicy.fromNamespaces": ["monitoring"]}), "NetworkPolicy")["spec"]["ingress"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}} in rule["from"]


def test_approvers_are_bound_where_trimtab_acts_with_groups_expanded(helm: Helm) -> None:
    objects = helm.render(VALUES)

    binding = one(objects, "RoleBinding", "trimtab-approvers")
    assert binding["metadata"]["namespace"] == "shop"
    assert [subject["name"] for subject in binding["subjects"]] == ["li", "mara"]
    assert [each for each in of(helm.render(), "RoleBinding") if each["metadata"]["name"] == "trimtab-approvers"] == []


def test_no_aggregated_role_can_approve(helm: Helm) -> None:
    for role in of(helm.render(), "ClusterRole"):
        if any("aggregate-to" in label for label in role["metadata"]["labels"]):
            assert "approve" not in {verb for rule in role["rules"] for verb in rule["verbs"]}


def test_the_notes_say_the_next_three_commands(helm: Helm) -> None:
    notes = helm.notes()

    assert notes.startswith("trimtab observes only. It has no right to change anything.\n")
    assert "1. Is it healthy?            kubectl -n trimtab exec deploy/trimtab -- trimtab doctor" in notes
    assert "2. What would it have done?  kubectl -n trimtab exec deploy/trimtab -- trimtab status" in notes
    assert (
        "kubectl -n trimtab port-forward svc/trimtab 8080 → http://127.0.0.1:8080 (login: docs/how-to/page.md)" in notes
    )
    assert "--set 'act.namespaces={shop}' --set 'approvers={YOU}'" in notes, "a question that somebody may answer"
    assert "docs/how-to/first-policy.md" in notes


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, True),
        ({"slack.channel": "#incidents"}, True),
        ({"notify.webhook.url": "https://pager.example"}, False),
        ({"notify.pagerduty.secret": "pagerduty"}, False),
    ],
    ids=str,
)
def test_the_notes_warn_when_nothing_pages_besides_slack(helm: Helm, values: Json, warned: bool) -> None:
    assert ("WARNING: nothing pages" in helm.notes(values)) is warned


def environment(deployment: Json) -> dict[str, str]:
    (container,) = deployment["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", "pod-name") for each in container["env"]}
