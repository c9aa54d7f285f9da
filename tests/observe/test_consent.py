"""Who speaks for a workload: the oldest policy; nobody while policies are unknown or cannot be read."""

from typing import Any

import pytest

from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.core.policy import NEVER, CanaryMode, Mode, ScalingMode
from controller.observe.consent import Consents
from controller.settings import Settings
from detectors.series import Workload
from remediations.registry import installed

CHECKOUT = Workload("shop", "Deployment", "checkout")
LABELS = {"tier": "shop"}
SETTINGS = Settings(
    act_namespaces=["shop"],
    people={"approvers": ["group:sre", "user:mara"], "groups": {"sre": ["noor"], "db": ["eve"]}},
    policy_defaults={"mode": "Auto"},
)


def policy(name: str, mode: str = "Approve", created: str = "2026-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    spec = {
        "target": more.pop("target", {"kind": "Deployment", "name": "checkout"}),
        "remediation": {"mode": mode, **more},
    }
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1", "creationTimestamp": created}
    return {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ServicePolicy", "metadata": metadata, "spec": spec}


def looped(scaling: str, canary: dict[str, Any]) -> dict[str, Any]:
    item = policy("loops", "Observe")
    return {**item, "spec": {**item["spec"], "scaling": {"mode": scaling}, "canary": canary}}


def consents(*policies: dict[str, Any], known: bool = True, settings: Settings = SETTINGS) -> Consents:
    return Consents(settings, lambda kind: policies if kind is SERVICE_POLICY else (), installed(), known=lambda: known)


def mode(*policies: dict[str, Any], known: bool = True) -> Mode:
    return consents(*policies, known=known).of(CHECKOUT, LABELS).policy.mode


def test_the_oldest_of_two_policies_wins_and_the_other_is_told() -> None:
    young, old = policy("young", "Auto", "2026-02-01T00:00:00Z"), policy("old", "Observe")
    both = consents(young, old)

    assert both.of(CHECKOUT, LABELS).policy.mode is Mode.OBSERVE
    standing = both.standing(young, [(CHECKOUT, LABELS)])
    assert (standing.accepted, standing.reason) == (False, "Conflict")
    assert both.standing(old, [(CHECKOUT, LABELS)]).accepted


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ({"kind": "CronJob", "name": "checkout"}, "UnknownKind"),
        ({"kind": "Deployment", "name": "nobody"}, "TargetMissing"),
        ({"kind": "Deployment", "matchLabels": {"tier": "blog"}}, "TargetMissing"),
        ({"kind": "Deployment", "nmae": "checkout"}, "Invalid"),
    ],
    ids=["a kind nobody knows", "missing", "selects nothing", "misspelt"],
)
def test_a_policy_that_speaks_for_nothing_says_why(target: dict[str, Any], reason: str) -> None:
    item = policy("odd", target=target)
    standing = consents(item).standing(item, [(CHECKOUT, LABELS)])

    assert (standing.accepted, standing.reason) in {(False, reason), (False, "Invalid")}
    assert standing.message


def test_s6_an_empty_selector_selects_nothing() -> None:
    item = policy("all", target={"kind": "Deployment", "matchLabels": {}})

    assert not consents(item).standing(item, [(CHECKOUT, LABELS)]).accepted
    assert consents(item).of(CHECKOUT, LABELS).source is None


def test_s2_while_policies_are_not_known_nothing_is_allowed() -> None:
    """The defaults would say Auto; a policy that says Observe may be among those not listed yet."""
    assert mode() is Mode.AUTO
    assert mode(known=False) is Mode.OBSERVE
    unknown = consents(known=False).of(CHECKOUT, LABELS).policy
    assert (unknown.known, unknown.approvers) == (False, frozenset())


def test_s2_a_policy_that_cannot_be_read_grants_nothing_to_what_it_may_speak_for() -> None:
    broken = policy("broken", "Sometimes")
    elsewhere = policy("other", "Sometimes", target={"kind": "Deployment", "name": "search"})

    assert mode(broken) is Mode.OBSERVE
    assert mode(broken, policy("old", "Auto", "2025-01-01T00:00:00Z")) is Mode.OBSERVE
    assert mode(elsewhere) is Mode.AUTO
    assert [consents(one).of(CHECKOUT, LABELS).policy.known for one in (broken, elsewhere)] == [False, True]


def test_s19_a_policy_narrows_the_approvers_and_never_widens_them() -> None:
    assert consents().of(CHECKOUT, LABELS).policy.approvers == {"mara", "noor"}
    narrowed = consents(policy("p", approvers=["group:sre", "group:db", "user:mallory"])).of(CHECKOUT, LABELS)
    assert narrowed.policy.approvers == {"noor"}


def test_thresholds_are_fractions_and_never_is_never() -> None:
    said = consents(policy("p", automaticAbove=95, reviewAbove=80)).of(CHECKOUT, LABELS).policy
    never = consents(policy("p", automaticAbove="Never")).of(CHECKOUT, LABELS).policy

    assert (said.automatic_above, said.review_above) == (0.95, 0.80)
    assert never.automatic_above == NEVER


def test_s17_a_namespace_that_is_not_listed_is_only_observed() -> None:
    settings = SETTINGS.model_copy(update={"act_namespaces": ["blog"]})

    assert consents(policy("p", "Auto"), settings=settings).of(CHECKOUT, LABELS).policy.mode is Mode.OBSERVE


def test_each_loop_has_its_own_consent() -> None:
    """Consent to a floor and to a rollback is none to a repair."""
    resolved = consents(looped("Floor", {"mode": "Rollback", "falseRollback": "1%"})).of(CHECKOUT, LABELS).policy

    assert (resolved.scaling, resolved.canary, resolved.mode) == (ScalingMode.FLOOR, CanaryMode.ROLLBACK, Mode.OBSERVE)
    assert resolved.false_rollback == pytest.approx(0.01)


@pytest.mark.parametrize("canary", [{"mode": "Rollback"}, {"mode": "Rollback", "falseRollback": "0%"}])
def test_a_rollback_without_a_bound_has_none(canary: dict[str, Any]) -> None:
    assert consents(looped("Observe", canary)).of(CHECKOUT, LABELS).policy.false_rollback is None


def test_every_loop_observes_where_nothing_may_be_done() -> None:
    nowhere = Settings(policy_defaults={"mode": "Auto", "scaling": "Floor", "canary": "Rollback"})
    item = looped("Floor", {"mode": "Ramp", "falseRollback": "1%"})

    for resolved in (
        consents(item, settings=nowhere).of(CHECKOUT, LABELS).policy,
        consents(settings=nowhere).of(CHECKOUT, LABELS).policy,
    ):
        modes = (resolved.scaling, resolved.canary, resolved.mode)
        assert modes == (ScalingMode.OBSERVE, CanaryMode.OBSERVE, Mode.OBSERVE)


def test_the_defaults_speak_for_every_loop() -> None:
    said = {"mode": "Approve", "scaling": "Floor", "canary": "Rollback", "false_rollback": 0.01}
    settings = Settings(act_namespaces=["shop"], policy_defaults=said)

    resolved = consents(settings=settings).of(CHECKOUT, LABELS).policy

    assert (resolved.scaling, resolved.canary, resolved.mode) == (
        ScalingMode.FLOOR,
        CanaryMode.ROLLBACK,
        Mode.APPROVE,
    )
    assert resolved.false_rollback == pytest.approx(0.01)
