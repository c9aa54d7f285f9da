"""More memory, within bounds, and exactly back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations import samples
from remediations.cluster import World
from remediations.limits import Limits, LimitsParameters
from remediations.memory import MemoryCluster, deployment
from remediations.plan import Held, Outcome, PatchOp, Plan, Refusal
from remediations.pointer import applied, same, value_at
from remediations.quantity import MI, bytes_of
from tests.remediations.worlds import NOW, changed, of, pod, with_pods

RESOURCES = "/spec/template/spec/containers/0/resources"
LIMIT = f"{RESOURCES}/limits/memory"
REQUEST = f"{RESOURCES}/requests/memory"


def killed(limit: str | None = "128Mi", request: str | None = None, kind: str = "Deployment") -> World:
    world = of(kind)
    ended = {"lastState": {"terminated": {"reason": "OOMKilled", "finishedAt": "2026-03-01T13:59:00Z"}}}
    pods = [pod(f"p{i}", ready=False, containerStatuses=[{"name": "app", **ended}]) for i in range(3)]
    resources: dict[str, Any] = {}
    if limit is not None:
        resources["limits"] = {"memory": limit, "cpu": "1"}
    if request is not None:
        resources["requests"] = {"memory": request, "cpu": "1"}
    return with_pods(changed(world, PatchOp("replace", RESOURCES, resources)), pods)


def plan(world: World, **parameters: Any) -> Plan | Refusal:
    return Limits().plan(world.workload, world, LimitsParameters(**parameters), NOW)


def planned(world: World, **parameters: Any) -> Plan:
    made = plan(world, **parameters)
    assert isinstance(made, Plan)
    return made


def after(world: World, made: Plan) -> Any:
    return applied(world.object, made.steps[0].patch)


@pytest.mark.parametrize(
    ("limit", "parameters", "expected"),
    [
        ("128Mi", {}, "192Mi"),
        ("1Gi", {}, "1536Mi"),
        ("100M", {"factor": 1.1}, "105Mi"),
        ("3Gi", {}, "4Gi"),
        ("3Gi", {"max": "3500Mi"}, "3500Mi"),
        ("3Gi", {"max": "4G"}, "3814Mi"),
        ("128Mi", {"factor": 4}, "512Mi"),
        ("0.5Gi", {"factor": 2}, "1Gi"),
    ],
)
def test_the_limit_grows_by_the_factor_in_whole_mebibytes_up_to_the_bound(
    limit: str, parameters: dict[str, Any], expected: str
) -> None:
    world = killed(limit)
    made = planned(world, **parameters)

    assert value_at(after(world, made), LIMIT) == expected
    assert made.change == (f"memory limit of container app: {limit} → {expected}",)


@pytest.mark.parametrize(
    ("request_before", "request_after"),
    [(None, None), ("64Mi", "64Mi"), ("128Mi", "192Mi"), (str(128 * MI), "192Mi")],
    ids=["absent", "below", "equal", "equal in bytes"],
)
def test_the_request_follows_only_where_it_equals_the_limit(
    request_before: str | None, request_after: str | None
) -> None:
    """The pod keeps its quality-of-service class."""
    world = killed("128Mi", request_before)

    assert value_at(after(world, planned(world)), REQUEST) == request_after


def test_nothing_else_changes() -> None:
    world = killed("128Mi", "128Mi")
    made = planned(world)

    assert {op.path for op in made.steps[0].patch} == {LIMIT, REQUEST}


@given(
    limit=st.integers(1, 2 * 1024).map(lambda n: f"{n}Mi") | st.integers(10**6, 10**9).map(str),
    request=st.none() | st.integers(1, 64).map(lambda n: f"{n}Ki") | st.just("same"),
    factor=st.floats(1.1, 4),
)
def test_undo_restores_exactly_what_stood_there(limit: str, request: str | None, factor: float) -> None:
    world = killed(limit, limit if request == "same" else request)
    made = planned(world, factor=factor)
    raised = after(world, made)

    assert bytes_of(limit) < bytes_of(str(value_at(raised, LIMIT))) <= 4 * 1024 * MI
    assert same(applied(raised, made.undo[0].patch), world.object)


def test_undo_restores_absence() -> None:
    """Where a plan adds a field, its way back removes it."""
    from remediations.plan import StepClass
    from remediations.steps import reverse_of, step_of

    world = killed("128Mi")
    requests = f"{RESOURCES}/requests"
    step = step_of("x", StepClass.VALUE_IDEMPOTENT, world, (PatchOp("add", requests, {"memory": "1Mi"}),))

    assert step.prior == (Held(requests, None, present=False),)
    assert same(applied(applied(world.object, step.patch), reverse_of(step).patch), world.object)


@pytest.mark.parametrize(
    ("world", "parameters", "code"),
    [
        (killed("4Gi"), {}, "at-bound"),
        (killed("5Gi"), {}, "at-bound"),
        (killed(None), {}, "no-limit"),
        (of(), {}, "not-oom-killed"),
        (replace(killed(), read_at=NOW), {"container": "app", "max": "1Ki"}, "at-bound"),
        (killed(), {"container": "sidecar"}, "no-such-container"),
        (changed(killed(), PatchOp("add", "/spec/paused", True)), {}, "paused"),
        (of("CronJob"), {}, "kind"),
    ],
    ids=[
        "at the bound",
        "above it",
        "no limit",
        "not killed",
        "bound under a MiB",
        "unknown container",
        "paused",
        "kind",
    ],
)
def test_it_refuses(world: World, parameters: dict[str, Any], code: str) -> None:
    made = plan(world, **parameters)

    assert isinstance(made, Refusal)
    assert made.code == code


def test_a_kill_of_yesterday_is_no_reason_to_act_today() -> None:
    made = Limits().plan(killed().workload, killed(), LimitsParameters(), NOW + timedelta(days=1))

    assert isinstance(made, Refusal)
    assert made.code == "not-oom-killed"


def test_the_container_killed_most_is_the_one_raised() -> None:
    world = killed()
    world.object["spec"]["template"]["spec"]["containers"].append(
        {"name": "sidecar", "resources": {"limits": {"memory": "64Mi"}}}
    )
    ended = {"lastState": {"terminated": {"reason": "OOMKilled"}}}
    world = with_pods(
        world, [*world.pods, *(pod(f"s{i}", containerStatuses=[{"name": "sidecar", **ended}]) for i in range(4))]
    )

    assert planned(world).change[0].startswith("memory limit of container sidecar")
    assert planned(world, container="app").change[0].startswith("memory limit of container app")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_it_acts_on_every_kind_with_a_template(kind: str) -> None:
    assert planned(killed(kind=kind)).workload.kind == kind


@pytest.mark.parametrize(
    "given_",
    [
        {"factor": 1.0},
        {"factor": 5},
        {"factor": float("nan")},
        {"max": "1Ti"},
        {"max": "-1Gi"},
        {"max": "lots"},
        {"container": "a b"},
        {"memory": "1Gi"},
    ],
    ids=str,
)
def test_parameters_out_of_bounds_are_errors(given_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        LimitsParameters(**given_)


def test_a_raised_limit_that_suffices_is_effective_and_one_that_does_not_is_not() -> None:
    for enough, expected in (("192Mi", Outcome.EFFECTIVE), ("256Mi", Outcome.INEFFECTIVE)):
        cluster = MemoryCluster(lambda: NOW)
        workload = cluster.create(deployment("shop", "cart", f"registry.test/cart:v1-oom-{enough}"))
        made = planned(samples.reading(cluster, workload))
        before = Limits().verify(made, samples.reading(cluster, workload))
        cluster.change(workload, *made.steps[0].patch)

        assert before is Outcome.INEFFECTIVE
        assert Limits().verify(made, samples.reading(cluster, workload)) is expected
