"""What the API server makes of the kinds: bounds, rules and immutability are its own refusals, not our hope."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from controller.api.crd import crds
from controller.api.read import from_cluster
from controller.api.v1alpha1.kinds import KINDS
from controller.api.v1alpha1.remediation import Remediation
from controller.api.v1alpha1.servicepolicy import ServicePolicy
from controller.core.policy import Mode
from runbooks.load import library
from tests.api.examples import DECISION, EVENT, IMPOSSIBLE, PAUSE, POLICY, REMEDIATION, Json, spoilt
from tests.controlplane.api import Api, ApiError, url
from tests.controlplane.cluster import ControlPlane
from tests.layout import ROOT

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]

VERSION = "trimtab.dev/v1alpha1"
STRICT = {"fieldValidation": "Strict"}
PLURALS = {kind.resource.kind: kind.resource.plural for kind in KINDS}


def named(good: Json, name: str) -> Json:
    return spoilt(good, "metadata.name", name)


def create(api: Api, body: Json, **params: str) -> Json:
    return api.create(body, body["metadata"].get("namespace"), **params)


@pytest.fixture
def remediation(account: Api, fresh: str) -> Iterator[Json]:
    """One that is not decided."""
    written = create(account, named(REMEDIATION, fresh), **STRICT)
    yield written
    assert from_cluster(Remediation, written).spec.decision is None


def test_every_crd_is_established_without_a_complaint(charted: ControlPlane) -> None:
    for crd in crds():
        found = charted.api.get("apiextensions.k8s.io/v1", "customresourcedefinitions", crd["metadata"]["name"])
        conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions["NamesAccepted"] == "True"
        assert "NonStructuralSchema" not in conditions


@pytest.mark.parametrize("good", [POLICY, EVENT, PAUSE], ids=lambda good: good["kind"])
def test_a_good_object_is_taken_strictly_and_kept_whole(charted: ControlPlane, good: Json, fresh: str) -> None:
    written = create(charted.api, named(good, fresh), **STRICT)

    assert written["spec"] == good["spec"]
    charted.api.delete(VERSION, PLURALS[good["kind"]], fresh, good["metadata"].get("namespace"))


@pytest.mark.parametrize("case", IMPOSSIBLE, ids=str)
def test_what_a_file_may_not_say_the_api_server_refuses_as_well(charted: ControlPlane, account: Api, case: str) -> None:
    good, path, value = IMPOSSIBLE[case]
    api = account if good is REMEDIATION else charted.api

    with pytest.raises(ApiError) as refused:
        create(api, spoilt(good, path, value), dryRun="All", **STRICT)

    assert refused.value.code == 422


@pytest.mark.parametrize("good", [POLICY, EVENT, PAUSE], ids=lambda good: good["kind"])
def test_an_unknown_field_is_refused_when_asked_strictly(charted: ControlPlane, good: Json) -> None:
    with pytest.raises(ApiError, match="unknown field"):
        create(charted.api, spoilt(good, "spec.automaticAbov", 90), dryRun="All", **STRICT)


def test_a_misspelt_permission_arrives_as_none(charted: ControlPlane, fresh: str) -> None:
    """Without strict validation the API server prunes the field: what is left never acts alone."""
    bad = spoilt(named(POLICY, fresh), "spec.remediation", {"mode": "Auto", "automaticAbov": 99})

    written = from_cluster(ServicePolicy, create(charted.api, bad, dryRun="All", fieldValidation="Ignore"))

    assert written.spec.remediation.mode is Mode.AUTO
    assert written.spec.remediation.automatic_above == "Never"


@pytest.mark.parametrize("part", ["metrics", "objectives", "scaling", "canary", "anomalies", "remediation"])
def test_a_null_part_arrives_as_the_inert_choice(charted: ControlPlane, part: str) -> None:
    served = create(charted.api, spoilt(POLICY, f"spec.{part}", None), dryRun="All")

    absent = spoilt(POLICY, f"spec.{part}", ...)
    assert from_cluster(ServicePolicy, served).spec == from_cluster(ServicePolicy, absent).spec


@pytest.mark.parametrize(
    "target",
    [
        {"kind": "Deployment", "name": "search"},
        {"kind": "StatefulSet", "name": "checkout"},
        {"kind": "Deployment", "matchLabels": {"app": "checkout"}},
    ],
    ids=["another name", "another kind", "labels"],
)
def test_a_policys_target_does_not_change(charted: ControlPlane, fresh: str, target: Json) -> None:
    create(charted.api, named(POLICY, fresh))

    with pytest.raises(ApiError, match="a policy's target does not change"):
        charted.api.patch(
            VERSION, "servicepolicies", fresh, [{"op": "replace", "path": "/spec/target", "value": target}], "shop",
            kind="application/json-patch+json",
        )  # fmt: skip
    changed = charted.api.patch(
        VERSION, "servicepolicies", fresh, {"spec": {"remediation": {"mode": "Observe"}}}, "shop"
    )
    assert changed["spec"]["remediation"]["mode"] == "Observe"


def test_an_event_changes_until_it_has_started_and_then_only_ends(charted: ControlPlane, fresh: str) -> None:
    path = url(VERSION, "plannedevents", fresh, "shop")
    create(charted.api, named(EVENT, fresh))
    charted.api.patch(VERSION, "plannedevents", fresh, {"spec": {"until": "2026-11-27T21:00:00"}}, "shop")
    charted.api.patch(
        VERSION, "plannedevents", fresh, {"status": {"started": "2026-11-27T07:00:00Z"}}, "shop", sub="status"
    )

    for change in (
        {"until": "2026-11-28T22:00:00"},
        {"freeze": None},
        {"services": {"matchLabels": {"tier": None, "a": "b"}}},
    ):
        with pytest.raises(ApiError, match="an event that has begun does not change"):
            charted.api.patch(VERSION, "plannedevents", fresh, {"spec": change}, "shop")
    for start in (None, "2026-11-27T08:00:00Z"):
        with pytest.raises(ApiError, match="a start is not taken back"):
            charted.api.patch(VERSION, "plannedevents", fresh, {"status": {"started": start}}, "shop", sub="status")
    with pytest.raises(ApiError, match="a start is not taken back"):
        charted.api.request("PATCH", f"{path}/status", {"status": None}, kind="application/merge-patch+json")
    charted.api.delete(VERSION, "plannedevents", fresh, "shop")


FIELDS = {
    "incident": "INC-1",
    "runbook": "other@1",
    "target": {**REMEDIATION["spec"]["target"], "name": "search"},
    "digest": "0" * 16,
    "expires": "2027-01-01T00:00:00Z",
    "summary": "something else",
    "change": ["nothing"],
    "diff": "",
}


@pytest.mark.parametrize("field", FIELDS)
def test_what_was_put_before_people_stays_as_it_was(
    account: Api, charted: ControlPlane, remediation: Json, field: str
) -> None:
    name = remediation["metadata"]["name"]

    with pytest.raises(ApiError, match="only decision can be set"):
        charted.api.patch(VERSION, "remediations", name, {"spec": {field: FIELDS[field]}}, "shop")


def test_the_fields_that_stay_are_all_but_the_decision() -> None:
    assert set(FIELDS) | {"decision"} == set(REMEDIATION["spec"])


def test_a_decision_about_another_plan_is_refused(charted: ControlPlane, remediation: Json) -> None:
    decision = {**DECISION, "by": "admin", "digest": "0" * 16}

    with pytest.raises(ApiError, match="the decision is about another plan"):
        charted.api.patch(
            VERSION, "remediations", remediation["metadata"]["name"], {"spec": {"decision": decision}}, "shop"
        )


@pytest.mark.parametrize(
    "wrong",
    [{"verdict": "Maybe"}, {"verdict": None}, {"by": ""}, {"by": None}, {"digest": None}, {"reason": "r" * 1025}],
    ids=str,
)
def test_half_a_decision_is_none(charted: ControlPlane, remediation: Json, wrong: Json) -> None:
    decision = {key: value for key, value in {**DECISION, "by": "admin", **wrong}.items() if value is not None}

    with pytest.raises(ApiError) as refused:
        charted.api.patch(
            VERSION, "remediations", remediation["metadata"]["name"], {"spec": {"decision": decision}}, "shop"
        )
    assert refused.value.code == 422


def test_a_status_holds_the_bounds_too(account: Api, remediation: Json) -> None:
    name = remediation["metadata"]["name"]
    good = {
        "route": "Ask",
        "target": "Deployment/checkout",
        "reasons": [{"code": "not-earned", "message": "0.78 < 0.90"}],
    }

    assert account.patch(VERSION, "remediations", name, {"status": good}, "shop", sub="status")["status"] == good
    for bad in ({"route": "Sometimes"}, {"target": "t" * 257}, {"reasons": [{"code": "", "message": ""}]}):
        with pytest.raises(ApiError):
            account.patch(VERSION, "remediations", name, {"status": bad}, "shop", sub="status")


def test_kubectl_shows_policies_and_remediations_as_tables(charted: ControlPlane, account: Api, fresh: str) -> None:
    create(charted.api, named(POLICY, fresh))
    status: Json = {"target": "Deployment/checkout", "remediation": "Auto ≥0.90", "data": "Healthy", "openIncidents": 1}
    account.patch(VERSION, "servicepolicies", fresh, {"status": status}, "shop", sub="status")

    header, row, *_ = charted.kubectl("get", "svcpol", fresh, "-n", "shop").splitlines()

    assert header.split() == ["NAME", "TARGET", "SCALING", "CANARY", "REMEDIATION", "DATA", "OPEN", "AGE"]
    assert row.split()[:6] == [fresh, "Deployment/checkout", "Auto", "≥0.90", "Healthy", "1"]


@pytest.mark.parametrize("runbook", library(), ids=lambda runbook: runbook.name)
def test_every_shipped_runbook_is_an_object_the_api_server_takes(charted: ControlPlane, runbook: Any) -> None:
    for kind in ("Runbook", "ClusterRunbook"):
        body = copy.deepcopy(runbook.to_object()) | {"kind": kind}
        body["metadata"] |= {"namespace": "shop"} if kind == "Runbook" else {}
        assert create(charted.api, body, dryRun="All", **STRICT)["spec"] == body["spec"]


def test_every_example_of_the_docs_is_taken_as_kubectl_applies_it(charted: ControlPlane) -> None:
    for path in sorted((ROOT / "docs/examples").glob("*.yaml")):
        assert yaml.safe_load(path.read_text())["apiVersion"] == VERSION
        charted.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(path))
