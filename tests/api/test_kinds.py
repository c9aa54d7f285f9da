import pytest

from controller.api.shapes import clip, fraction, seconds, share
from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE, CLUSTER_RUNBOOK, KINDS, REMEDIATION, SERVICE_POLICY
from controller.api.v1alpha1.remediation import ShownRoute
from controller.core.routes import Route


def test_there_are_the_six_kinds() -> None:
    assert [kind.resource.kind for kind in KINDS] == [
        "ServicePolicy", "Runbook", "ClusterRunbook", "PlannedEvent", "Remediation", "AutomationPause",
    ]  # fmt: skip


def test_short_names_are_nobody_elses_and_not_used_twice() -> None:
    short = [name for kind in KINDS for name in kind.short_names]

    assert len(short) == len(set(short))
    assert all(len(name) >= 3 for name in short)


def test_the_kill_switch_and_the_runbooks_of_administrators_belong_to_the_cluster() -> None:
    assert {kind.resource for kind in KINDS if not kind.resource.namespaced} == {AUTOMATION_PAUSE, CLUSTER_RUNBOOK}


@pytest.mark.parametrize(
    ("resource", "columns"),
    [
        (SERVICE_POLICY, ["Target", "Scaling", "Canary", "Remediation", "Data", "Open", "Age"]),
        (REMEDIATION, ["Route", "Decision", "Outcome", "Target", "Runbook", "Age"]),
    ],
    ids=lambda value: getattr(value, "plural", None),
)
def test_kubectl_get_shows_the_promised_columns(resource: object, columns: list[str]) -> None:
    (kind,) = [kind for kind in KINDS if kind.resource == resource]

    assert [column.name for column in kind.columns if column.priority == 0] == columns


def test_a_remediation_can_show_every_route() -> None:
    assert {str(route) for route in ShownRoute} == {str(route) for route in Route}


def test_percents_and_latencies_are_read_as_people_mean_them() -> None:
    assert (fraction("99.9%"), fraction("0.5%"), fraction("100%")) == (0.999, 0.005, 1.0)
    assert (seconds("300ms"), seconds("2s")) == (0.3, 2.0)


def test_never_is_more_than_any_confidence() -> None:
    assert share("Never") > 1.0
    assert share(90) == 0.9


def test_text_that_is_too_long_is_cut_to_what_the_schema_takes() -> None:
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"
