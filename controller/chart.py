"""What the Helm chart calls each setting, so that a message and the reference name both.

Promises that each value named here reaches its setting: tests/charts/test_settings.py sets every one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VALUES: Final[Mapping[str, str]] = {
    "watch_namespaces": "watch.namespaces",
    "act_namespaces": "act.namespaces",
    "protected": "protected",
    "policy_defaults.preset": "policyDefaults.preset",
    "policy_defaults.mode": "policyDefaults.mode",
    "policy_defaults.scaling": "policyDefaults.scaling",
    "policy_defaults.canary": "policyDefaults.canary",
    "policy_defaults.false_rollback": "policyDefaults.falseRollback",
    "people.approvers": "approvers",
    "people.groups": "groups",
    "people.slack": "slack.users",
    "budgets.namespace": "budgets.namespace",
    "budgets.cluster": "budgets.cluster",
    "budgets.pod_hours_namespace": "budgets.podHoursNamespace",
    "budgets.pod_hours_cluster": "budgets.podHoursCluster",
    "prometheus_url": "prometheus.url",
    "prometheus_tenant": "prometheus.tenant",
    "prometheus_username": "prometheus.username",
    "prometheus_replica_labels": "prometheus.replicaLabels",
    "scrape_interval": "prometheus.scrapeInterval",
    "slack_channel": "slack.channel",
    "webhook_url": "notify.webhook.url",
    "public_url": "page.url",
    "report_weekday": "slack.report.weekday",
    "report_hour": "slack.report.hour",
    "proxy_secret_header": "page.proxyHeader",
    "trusted_proxies": "page.trustedProxies",
}
"""Setting to chart value."""

FIXED: Final = frozenset({"namespace", "identity", "database_url", "secrets", "http_host", "http_port", "lease_name"})
"""Settings that the chart writes itself."""

SECRETS: Final[Mapping[str, tuple[str, str]]] = {
    "slack": ("slack.secret", "trimtab-slack"),
    "database": ("database.secret", ""),
    "prometheus": ("prometheus.secret", "trimtab-prometheus"),
    "alertmanager": ("alertmanager.secret", "trimtab-alertmanager"),
    "webhook": ("notify.webhook.secret", "trimtab-webhook"),
    "pagerduty": ("notify.pagerduty.secret", ""),
    "proxy": ("page.secret", "trimtab-proxy"),
}
"""Folder of secret files to the chart value that names its Secret, and the name in a release called trimtab while that
value is empty; no name: nothing is mounted then."""


def named(setting: str) -> str:
    """Where to set it: `chart: prometheus.url; settings: prometheus_url`."""
    return f"chart: {VALUES[setting]}; settings: {setting}"
