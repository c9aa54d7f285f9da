"""What speaks against a plan: S4, S9, S16, S18 and the opt-outs."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.base import Remediation
from remediations.cluster import World
from remediations.guards import KUBE_SYSTEM, Finding, Protected, Selected, floor_of, inspect
from remediations.limits import Limits, LimitsParameters
from remediations.plan import BlastRadius, PatchOp, Plan
from remediations.pods import ready_count
from remediations.restart import Restart, RestartParameters
from remediations.rollback import Rollback, RollbackParameters
from remediations.samples import first_version
from tests.remediations.worlds import NOW, budget, changed, crashed, marked, of

RECREATE = {"strategy": {"type": "Recreate"}}
ONE_AT_A_TIME = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}


def restart(world: World) -> Plan:
    made = Restart().plan(world.workload, world, RestartParameters(), NOW)
    assert isinstance(made, Plan)
    return made


def rollback(world: World) -> Plan:
    made = Rollback().plan(world.workload, world, RollbackParameters(), NOW)
    assert isinstance(made, Plan)
    return made


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def of_restart(world: World, protected: Protected = KUBE_SYSTEM) -> list[str]:
    return codes(inspect(restart(world), world, Restart(), protected=protected))


def test_nothing_speaks_against_a_plan_in_an_orderly_world() -> None:
    limits = Limits()
    world = first_version("registry.test/shop:v1-oom-256Mi")
    plan = limits.plan(world.workload, world, LimitsParameters(), NOW)

    assert of_restart(of(replicas=4)) == []
    assert codes(inspect(rollback(crashed()), crashed(), Rollback())) == []
    assert isinstance(plan, Plan)
    assert codes(inspect(plan, world, limits)) == []


def test_a_plan_of_more_than_one_write_is_refused() -> None:
    """What is settled after a crash is one write; a runbook has several steps."""
    plan = restart(of(replicas=4))

    assert "several-writes" in codes(
        inspect(replace(plan, steps=(*plan.steps, *plan.steps)), of(replicas=4), Restart())
    )
    assert "several-writes" in codes(inspect(replace(plan, steps=()), of(replicas=4), Restart()))


# ── the healthy floor (S9) ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("replicas", "floor"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (10, 6), (12, 7), (100, 51), (200, 102)]
)
def test_the_floor_is_half_and_a_bit_rounded_up(replicas: int, floor: int) -> None:
    assert floor_of(replicas, 0.51) == floor


def test_the_second_of_two_replicas_is_not_restarted() -> None:
    assert of_restart(of(replicas=2, spec=ONE_AT_A_TIME)) == ["healthy-floor"]


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (of(replicas=2), []),
        (of(replicas=4, spec=ONE_AT_A_TIME), []),
        (of(replicas=4, spec=RECREATE), ["healthy-floor"]),
        (of(replicas=1, spec=RECREATE), ["healthy-floor"]),
        (of(replicas=4, spec={"strategy": {"rollingUpdate": {"maxUnavailable": "50%"}}}), ["healthy-floor"]),
        (of("StatefulSet", replicas=2), ["healthy-floor"]),
        (of("StatefulSet", replicas=3), []),
        (of("DaemonSet", replicas=1), ["healthy-floor"]),
    ],
    ids=["surge", "one of four", "recreate", "recreate one", "half", "stateful 2", "stateful 3", "one daemon"],
)
def test_no_restart_takes_ready_pods_under_the_floor(world: World, expected: list[str]) -> None:
    assert of_restart(world) == expected


def test_a_floor_already_missed_is_no_reason_against_a_rollout_that_takes_no_ready_pod() -> None:
    assert of_restart(of(replicas=4, ready=1, spec=ONE_AT_A_TIME)) == []


@pytest.mark.parametrize("spec", [RECREATE, ONE_AT_A_TIME], ids=["recreate", "rolling"])
def test_replacing_pods_that_are_not_ready_is_never_blocked(spec: dict[str, Any]) -> None:
    """Not by the floor and not by a budget that demands everything."""
    world = replace(of(replicas=2, ready=0, spec=spec), budgets=(budget({"minAvailable": "100%"}),))

    assert of_restart(world) == []


@given(
    replicas=st.integers(1, 50),
    ready=st.integers(0, 50),
    share=st.floats(0.01, 1),
    unavailable=st.integers(0, 50) | st.integers(0, 100).map(lambda n: f"{n}%"),
    surge=st.integers(0, 50),
    recreate=st.booleans(),
)
def test_whatever_the_strategy_what_passes_keeps_the_floor_or_takes_no_ready_pod(
    replicas: int, ready: int, share: float, unavailable: int | str, surge: int, recreate: bool
) -> None:
    """S9: the least that stays ready is never under min(floor, ready now)."""
    rolling = {"strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}
    world = of(replicas=replicas, ready=min(ready, replicas), spec=RECREATE if recreate else rolling)
    plan = restart(world)
    now = ready_count(world.pods)

    blocked = "healthy-floor" in codes(inspect(plan, world, Restart(), share))

    least = now if plan.touches.ready_at_least is None else plan.touches.ready_at_least
    assert blocked == (least < min(floor_of(replicas, share), now))
    if recreate:
        assert blocked == (now > 0)


# ── disruption budgets (S9) ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 3}, []),
        ({"minAvailable": 4}, ["disruption-budget"]),
        ({"minAvailable": "100%"}, ["disruption-budget"]),
        ({"maxUnavailable": 1}, []),
        ({"maxUnavailable": 0}, ["disruption-budget"]),
        ({"maxUnavailable": "1%"}, []),
        ({"minAvailable": "lots"}, ["disruption-budget"]),
        ({"minAvailable": True}, ["disruption-budget"]),
    ],
    ids=["3", "4", "100%", "-1", "-0", "-1%", "unreadable", "no number"],
)
def test_a_rolling_restart_respects_budgets_that_it_could_ignore(spec: dict[str, Any], expected: list[str]) -> None:
    world = replace(of(replicas=4, spec=ONE_AT_A_TIME), budgets=(budget(spec),))

    assert of_restart(world) == expected


def test_every_budget_counts() -> None:
    budgets = (budget({"minAvailable": 1}), budget({"minAvailable": 4}))

    assert of_restart(replace(of(replicas=4, spec=ONE_AT_A_TIME), budgets=budgets)) == ["disruption-budget"]


@pytest.mark.parametrize(
    ("others_healthy", "lifts"), [(4, None), (3, "time")], ids=["others healthy", "one of them not"]
)
def test_a_budget_that_others_have_spent_is_lifted_by_time(others_healthy: int, lifts: str | None) -> None:
    status = {"observedGeneration": 1, "expectedPods": 8, "currentHealthy": 4 + others_healthy}
    world = replace(of(replicas=4, spec=ONE_AT_A_TIME), budgets=(budget({"minAvailable": 7}, status=status),))

    assert [f.lifts for f in inspect(restart(world), world, Restart())] == ([lifts] if lifts else [])


# ── who else has a say ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_object_with_a_controller_owner_is_never_written() -> None:
    """S4."""
    world = of(replicas=4)
    world.object["metadata"]["ownerReferences"] = [{"kind": "Rollout", "name": "x", "uid": "1", "controller": True}]

    assert of_restart(world) == ["owned"]


def test_an_object_on_its_way_out_is_left_alone() -> None:
    world = of(replicas=4)
    world.object["metadata"]["deletionTimestamp"] = "2026-03-01T14:00:00Z"

    assert of_restart(world) == ["deleting"]


@pytest.mark.parametrize(
    "marks",
    [
        {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}},
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
    ],
    ids=["Argo CD", "Flux"],
)
def test_a_template_held_to_git_goes_to_a_person(marks: dict[str, dict[str, str]]) -> None:
    """S16."""
    world = marked(of(replicas=4), **marks)

    (finding,) = inspect(restart(world), world, Restart())
    assert (finding.code, finding.lifts) == ("managed-in-git", "person")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", ["ignored"]), ("", ["ignored"]), ("yes please", ["ignored"]), ("false", []), ("False", [])],
)
def test_ignore_means_ignore_unless_it_says_false(value: str, expected: list[str]) -> None:
    assert of_restart(marked(of(replicas=4), annotations={"trimtab.dev/ignore": value})) == expected


def test_the_rollback_opt_out_holds_for_rollbacks_only() -> None:
    """Also for a plan made before the annotation came."""
    plan, world = rollback(crashed()), marked(crashed(), annotations={"trimtab.dev/rollback": "never"})

    assert codes(inspect(plan, world, Rollback())) == ["opted-out"]
    assert of_restart(marked(of(replicas=4), annotations={"trimtab.dev/rollback": "never"})) == []


# ── protected targets (S18) ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("protected", "expected"),
    [
        (Protected(namespaces=frozenset({"shop"})), ["protected"]),
        (Protected(workloads=frozenset({"shop/Deployment/checkout"})), ["protected"]),
        (Protected(services=(Selected("shop", frozenset({("app", "checkout")}), "Prometheus"),)), ["protected"]),
        (Protected(services=(Selected("other", frozenset({("app", "checkout")}), "Prometheus"),)), []),
        (Protected(services=(Selected("shop", frozenset({("app", "x")}), "Prometheus"),)), []),
        (Protected(services=(Selected("shop", frozenset(), "a service without selector"),)), []),
        (Protected(workloads=frozenset({"shop/StatefulSet/checkout"})), []),
    ],
    ids=["namespace", "workload", "service", "elsewhere", "other labels", "empty selector", "other kind"],
)
def test_the_ground_we_stand_on_is_never_a_target(protected: Protected, expected: list[str]) -> None:
    assert of_restart(of(replicas=4), protected) == expected


def test_kube_system_is_protected_without_saying_so() -> None:
    world = of(replicas=4)
    system = replace(world, workload=replace(world.workload, namespace="kube-system"))
    plan = restart(system)

    assert codes(inspect(plan, system, Restart())) == ["protected"]


# ── the allow-list (S4) ───────────────────────────────────────────────────────────────────────────────────────────────


def with_op(plan: Plan, op: PatchOp, **step: Any) -> Plan:
    (only,) = plan.steps
    return replace(plan, steps=(replace(only, patch=(*only.patch, op), **step),))


@pytest.mark.parametrize(
    ("pointer", "declared"),
    [
        ("/spec/template/metadata/annotations/x", True),
        ("/spec/template/metadata/annotations", True),
        ("/spec/template/metadata", False),
        ("/spec/template/metadata/annotationsx", False),
        ("/spec/replicas", False),
        ("/metadata/annotations/x", False),
        ("", False),
        ("spec/template/metadata/annotations", False),
        ("/spec/template/metadata/annotations~1x", False),
        ("/spec/template/metadata/labels/../annotations", False),
    ],
)
def test_a_pointer_that_is_not_declared_is_never_written(pointer: str, declared: bool) -> None:
    world = of(replicas=4)
    plan = with_op(restart(world), PatchOp("add", pointer, "v"))

    assert ("not-declared" in codes(inspect(plan, world, Restart()))) is not declared


def test_a_declared_pointer_holds_for_its_exact_kind() -> None:
    world = of(replicas=4)
    other = replace(world, workload=replace(world.workload, api_version="apps/v1beta1"))

    assert codes(inspect(restart(other), other, Restart())) == ["not-declared"]


def test_the_way_back_is_held_to_the_same_pointers() -> None:
    world = first_version("registry.test/shop:v1-oom-256Mi")
    plan = Limits().plan(world.workload, world, LimitsParameters(), NOW)
    assert isinstance(plan, Plan)
    elsewhere = replace(plan.undo[0], patch=(PatchOp("replace", "/spec/replicas", 0),))

    assert codes(inspect(replace(plan, undo=(elsewhere,)), world, Limits())) == ["not-declared"]


def test_a_plan_for_another_object_is_never_carried_out() -> None:
    world = of(replicas=4)

    assert "other-object" in codes(
        inspect(restart(world), changed(world, PatchOp("replace", "/metadata/uid", "x")), Restart())
    )
    elsewhere = replace(world, workload=replace(world.workload, name="search"))
    assert "other-object" in codes(inspect(restart(world), elsewhere, Restart()))


def test_a_plan_cannot_claim_to_be_reversible_or_not() -> None:
    world = of(replicas=4)
    plan = restart(world)

    assert codes(inspect(replace(plan, irreversible=False), world, Restart())) == ["undo-undeclared"]
    assert codes(inspect(replace(plan, undo=plan.steps), world, Restart())) == ["undo-undeclared"]


words = st.text(alphabet="abz/~*.-", min_size=1, max_size=6)
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5)
fields = st.dictionaries(words, plain | st.dictionaries(words, plain, max_size=2), max_size=3)


@given(extra=fields, annotations=st.none() | st.dictionaries(words, st.text(max_size=4), max_size=3), spec=fields)
def test_every_built_in_writes_within_its_pointers_whatever_the_template(
    extra: dict[str, Any], annotations: dict[str, str] | None, spec: dict[str, Any]
) -> None:
    """S4, for templates with fields that nobody has thought of."""
    world = json.loads(json.dumps(crashed().object))
    killed = first_version("registry.test/shop:v1-oom-256Mi")
    plans: list[tuple[Remediation, World]] = [(Rollback(), crashed()), (Restart(), crashed()), (Limits(), killed)]
    assert world
    for remediation, base in plans:
        template = json.loads(json.dumps(base.object["spec"]["template"]))
        template["spec"] = {**{f"x{key}": value for key, value in spec.items()}, **template["spec"]}
        template["spec"]["containers"][0] = {**extra, **template["spec"]["containers"][0]}
        if annotations is not None:
            template["metadata"]["annotations"] = annotations
        made = changed(base, PatchOp("replace", "/spec/template", template))
        plan = remediation.plan(made.workload, made, remediation.parameters(), NOW)
        assert isinstance(plan, Plan), plan
        assert "not-declared" not in codes(inspect(plan, made, remediation))


def test_findings_add_up() -> None:
    """A second thing that speaks against a plan never hides the first."""
    world = marked(of(replicas=2, spec=RECREATE), annotations={"trimtab.dev/ignore": "true"})
    everything = replace(world, budgets=(budget({"minAvailable": 2}),))

    assert of_restart(everything) == ["ignored", "healthy-floor", "disruption-budget"]


@pytest.mark.parametrize(
    ("unavailable", "after", "expected"),
    [(3, 4, ["healthy-floor"]), (3, 12, []), ("25%", 12, []), ("25%", 40, []), (0, 1, [])],
    ids=["too few are left", "as many", "as many of a share", "many more", "one, with a surge"],
)
def test_s9_the_floor_is_held_against_the_replicas_there_are_now(
    unavailable: int | str, after: int, expected: list[str]
) -> None:
    """An autoscaler's step does not void a plan: what it was planned with is no measure of what it takes."""
    spec = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": unavailable}}}
    plan = restart(of(replicas=12, spec=spec))

    assert codes(inspect(plan, of(replicas=after, spec=spec), Restart())) == expected


def test_a_plan_that_changes_no_template_is_judged_by_its_promise() -> None:
    world = of(replicas=4)
    plan = restart(world)
    step = replace(plan.steps[0], patch=(PatchOp("add", "/spec/minReadySeconds", 1),))
    careless = replace(plan, steps=(step,), touches=BlastRadius(4, ready_at_least=0))

    assert "healthy-floor" in codes(inspect(careless, world, Restart()))
