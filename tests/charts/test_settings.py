"""What the reference says about the chart's values and Secrets is what the chart does with them."""

import json
from typing import Any

import pytest

from controller import chart
from controller.reference import SECRETS, settings
from controller.settings import Settings, load
from tests.charts.chart import Helm, Json, one
from tests.charts.test_rendering import environment

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]

GIVEN: Json = {
    "watch_namespaces": ["shop"],
    "act_namespaces": ["shop"],
    "protected": ["monitoring/prometheus"],
    "policy_defaults.preset": "istio",
    "policy_defaults.mode": "Approve",
    "policy_defaults.scaling": "Floor",
    "policy_defaults.canary": "Rollback",
    "policy_defaults.false_rollback": 0.02,
    "people.approvers": ["mara"],
    "people.groups": {"sre": ["mara"]},
    "people.slack": {"U012ABC": "mara"},
    "budgets.namespace": 7,
    "budgets.cluster": 11,
    "budgets.pod_hours_namespace": 13,
    "budgets.pod_hours_cluster": 17,
    "prometheus_url": "http://prometheus:9090",
    "prometheus_tenant": "tenant",
    "prometheus_username": "mara",
    "prometheus_replica_labels": ["replica"],
    "scrape_interval": 15,
    "slack_channel": "#ops",
    "webhook_url": "https://pager.example",
    "public_url": "https://trimtab.example",
    "report_weekday": "Friday",
    "report_hour": 9,
    "proxy_secret_header": "X-Proxy",
    "trusted_proxies": ["10.0.0.0/8"],
}


def value_of(read: Settings, setting: str) -> Any:
    found: Any = read
    for name in setting.split("."):
        found = getattr(found, name)
    return found


def test_every_value_of_the_chart_that_the_reference_names_reaches_its_setting(
    helm: Helm, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = helm.render({chart.VALUES[setting]: value for setting, value in GIVEN.items()})
    file = tmp_path / "settings.yaml"
    file.write_text(one(objects, "ConfigMap")["data"]["settings.yaml"])
    for name, value in environment(one(objects, "Deployment")["spec"]).items():
        monkeypatch.setenv(name, value)

    read = load(file)

    assert GIVEN.keys() == chart.VALUES.keys()
    assert {setting: value_of(read, setting) for setting in GIVEN} == GIVEN


def test_what_the_chart_writes_itself_is_told_as_that(helm: Helm) -> None:
    variables = set(environment(one(helm.render(), "Deployment")["spec"]))
    known = {name for name, _ in settings(Settings)}
    written = {name for name in known if f"TRIMTAB_{name.upper().replace('.', '__')}" in variables}

    assert written - chart.VALUES.keys() == chart.FIXED
    assert chart.VALUES.keys() <= known


def test_every_secret_is_mounted_from_where_the_reference_says(helm: Helm) -> None:
    mounted = {
        volume["name"].removeprefix("secret-"): volume["secret"]["secretName"]
        for volume in one(helm.render(), "Deployment")["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    }
    named = {value: f"own-{folder}" for folder, (value, _) in chart.SECRETS.items()}
    renamed = json.dumps(one(helm.render(named), "Deployment")["spec"]["template"]["spec"]["volumes"])

    assert {folder: name for folder, (_, name) in chart.SECRETS.items() if name} == mounted
    assert {name.partition("/")[0] for name, _ in SECRETS} == set(chart.SECRETS)
    for folder, (value, _) in chart.SECRETS.items():
        assert f'"own-{folder}"' in renamed, value
