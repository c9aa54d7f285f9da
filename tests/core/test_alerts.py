"""Which workload an alert is about: looked up, never guessed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.alertmanager import MOST_ALERTS, MOST_BYTES, BadPayload, parse
from controller.core.alerts import Alert, Known, alerts_of, assign, subject
from controller.ports import Sample, Samples
from detectors.series import DataHealth, Problem, Workload

CHECKOUT = Workload("shop", "Deployment", "checkout")
DATABASE = Workload("shop", "StatefulSet", "database")
TWIN = Workload("shop", "StatefulSet", "checkout")
KNOWN = Known(
    frozenset({CHECKOUT, DATABASE}), {("shop", "checkout-7d9f8b6c5-x2x4z"): CHECKOUT, ("shop", "database-0"): DATABASE}
)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"namespace": "shop", "deployment": "checkout"}, CHECKOUT),
        ({"namespace": "shop", "statefulset": "database"}, DATABASE),
        ({"namespace": "shop", "pod": "checkout-7d9f8b6c5-x2x4z"}, CHECKOUT),
        ({"namespace": "shop", "workload": "checkout"}, CHECKOUT),
        ({"namespace": "shop", "workload": "checkout", "workload_type": "deployment"}, CHECKOUT),
        ({"namespace": "shop", "workload": "checkout", "workload_type": "daemonset"}, None),
        ({"namespace": "monitoring", "exported_namespace": "shop", "deployment": "checkout"}, CHECKOUT),
        ({"namespace": "shop", "deployment": "checkout", "pod": "kube-state-metrics-0"}, CHECKOUT),
        ({"namespace": "shop", "deployment": "checkout", "pod": "database-0"}, None),
        ({"namespace": "shop", "pod": "checkout-gone-12345"}, None),
        ({"deployment": "checkout"}, None),
        ({"namespace": "other", "deployment": "checkout"}, None),
        ({"namespace": "shop", "deployment": "check"}, None),
        ({"namespace": "shop", "deployment": ".*"}, None),
        ({"namespace": "shop", "service": "checkout"}, None),
        ({"namespace": "shop", "job": "checkout"}, None),
    ],
    ids=lambda value: " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_only_labels_that_name_one_known_workload_match(labels: dict[str, str], found: Workload | None) -> None:
    assert subject(Alert("A", labels), KNOWN) == found


def test_a_name_that_two_kinds_share_is_not_guessed() -> None:
    known = Known(frozenset({CHECKOUT, TWIN}))

    assert subject(Alert("A", {"namespace": "shop", "workload": "checkout"}), known) is None
    assert subject(Alert("A", {"namespace": "shop", "statefulset": "checkout"}), known) == TWIN


def test_no_alert_is_lost_and_none_counts_twice() -> None:
    mine = Alert("A", {"namespace": "shop", "deployment": "checkout", "severity": "page"})
    by_rule = Alert("A", {**mine.labels, "alertname": "A", "alertstate": "firing"})
    stray = Alert("Watchdog", {"severity": "none"})
    over = Alert("B", mine.labels, firing=False)

    assigned = assign([mine, by_rule, stray, over], KNOWN)

    assert assigned.by_workload == {CHECKOUT: (mine,)}
    assert assigned.unmatched == (stray,)


def test_untrusted_samples_are_no_list_of_alerts() -> None:
    sample = Sample({"alertname": "A", "alertstate": "firing"}, 1.0, NOW)

    assert alerts_of(Samples((sample,), DataHealth(frozenset({Problem.STALE})))) is None
    assert alerts_of(Samples((Sample({"trimtab": "asked"}, 0.0, NOW),), DataHealth())) == ()
    assert [a.name for a in alerts_of(Samples((sample,), DataHealth())) or ()] == ["A"]


def payload(count: int = 1, **changes: Any) -> dict[str, Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "Burning", "namespace": "shop", "deployment": "checkout", "severity": "critical"},
        "annotations": {"summary": "<!here> rm -rf / {{ $labels }}"},
        "startsAt": "2026-03-01T14:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "abc",
    }
    return {
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "trimtab",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager",
        "alerts": [alert] * count, **changes,
    }  # fmt: skip


def test_a_payload_of_alertmanager_is_read() -> None:
    (alert,) = parse(json.dumps(payload()).encode())

    assert (alert.name, alert.firing, alert.critical) == ("Burning", True, True)
    assert subject(alert, KNOWN) == CHECKOUT
    assert alert.since is not None


def test_four_hundred_alerts_at_once_are_one_workloads_one_alert() -> None:
    alerts = parse(json.dumps(payload(400)).encode())

    assert len(alerts) == 400
    assert assign(alerts, KNOWN).by_workload == {CHECKOUT: (alerts[0],)}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"version": "4"}',
        json.dumps(payload(version="3")).encode(),
        json.dumps(payload(alerts=[{"status": "maybe", "labels": {}}])).encode(),
        json.dumps(
            payload(alerts=[{"status": "firing", "labels": {"a": 1}, "startsAt": "2026-03-01T14:00:00Z"}])
        ).encode(),
        json.dumps(payload(alerts=[{"status": "firing", "labels": {}, "startsAt": "soon"}])).encode(),
        json.dumps(payload(MOST_ALERTS + 1)).encode(),
        b" " * (MOST_BYTES + 1),
    ],
    ids=["empty", "list", "null", "bytes", "no alerts", "version", "status", "label", "time", "too many", "too large"],
)
def test_what_is_no_payload_is_refused_with_the_place(body: bytes) -> None:
    with pytest.raises(BadPayload, match="webhook body"):
        parse(body)


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_body_gives_alerts_or_a_refusal(body: bytes) -> None:
    try:
        alerts = parse(body)
    except BadPayload:
        return
    assert isinstance(alerts, tuple)


@given(
    st.dictionaries(
        st.sampled_from(["namespace", "deployment", "pod", "workload", "exported_pod"]), st.text(max_size=40)
    )
)
def test_whatever_labels_say_only_known_workloads_come_out(labels: dict[str, str]) -> None:
    assert subject(Alert("A", labels), KNOWN) in {None, *KNOWN.workloads}
