"""The arithmetic of rollouts and budgets, against what the controllers of Kubernetes do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.budgets import demand, desired_healthy
from remediations.plan import BlastRadius
from remediations.pods import ready_count
from remediations.rollouts import BadIntOrPercent, Fences, fences, scaled, touched, updated_pods, wanted
from tests.remediations.worlds import budget, crashed, of, pod, with_pods


def rolling(surge: int | str | None, unavailable: int | str | None) -> dict[str, Any]:
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", Fences(3, 2)),
        (10, None, None, Fences(3, 2)),
        (1, "25%", "25%", Fences(1, 0)),
        (3, 0, "10%", Fences(0, 1)),
        (4, 0, 0, Fences(0, 1)),
        (4, 1, 0, Fences(1, 0)),
        (2, 0, 1, Fences(0, 1)),
        (3, "100%", "100%", Fences(3, 3)),
        (3, 0, 9, Fences(0, 3)),
        (0, "25%", "25%", Fences(0, 0)),
    ],
)
def test_surge_rounds_up_unavailable_rounds_down_and_both_zero_means_one(
    replicas: int, surge: int | str | None, unavailable: int | str | None, expected: Fences
) -> None:
    assert fences(of(replicas=replicas, spec=rolling(surge, unavailable)).object) == expected


def test_recreate_makes_all_of_them_unavailable() -> None:
    assert fences(of(replicas=5, spec={"strategy": {"type": "Recreate"}}).object) == Fences(0, 5)


@pytest.mark.parametrize(
    ("kind", "update", "expected"),
    [
        ("DaemonSet", {}, Fences(0, 1)),
        ("DaemonSet", {"maxUnavailable": "25%"}, Fences(0, 3)),
        ("DaemonSet", {"maxUnavailable": 0, "maxSurge": "10%"}, Fences(1, 0)),
        ("StatefulSet", {}, Fences(0, 1)),
        ("StatefulSet", {"maxUnavailable": "25%"}, Fences(0, 2)),
        ("StatefulSet", {"maxUnavailable": "1%"}, Fences(0, 1)),
    ],
)
def test_daemon_sets_round_up_and_stateful_sets_round_down(kind: str, update: dict[str, Any], expected: Fences) -> None:
    world = of(kind, replicas=10, spec={"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": update}})

    assert fences(world.object) == expected


def test_absent_replicas_mean_one() -> None:
    world = of()
    del world.object["spec"]["replicas"]

    assert wanted(world.object) == 1


@pytest.mark.parametrize("value", ["25", "a%", "-5%", "", None, True, 1.5, "25 %"])
def test_what_is_neither_number_nor_percentage_is_an_error(value: Any) -> None:
    with pytest.raises(BadIntOrPercent):
        scaled(value, 10, round_up=True)


@pytest.mark.parametrize(
    ("spec", "expected_pods", "desired"),
    [
        ({"minAvailable": 2}, 7, 2),
        ({"minAvailable": "50%"}, 7, 4),
        ({"minAvailable": "100%"}, 7, 7),
        ({"maxUnavailable": 1}, 7, 6),
        ({"maxUnavailable": "30%"}, 7, 4),
        ({"maxUnavailable": "100%"}, 7, 0),
        ({"maxUnavailable": 9}, 7, 0),
        ({"minAvailable": 0}, 7, 0),
        ({}, 7, 0),
    ],
)
def test_budgets_round_percentages_up(spec: dict[str, Any], expected_pods: int, desired: int) -> None:
    assert desired_healthy(budget(spec), expected_pods) == desired


def test_a_budget_over_others_counts_their_healthy_pods() -> None:
    """Ten wanted of a budget over twelve pods, eight of them ours: four others leave six to us."""
    status = {"observedGeneration": 1, "expectedPods": 12, "currentHealthy": 12}

    assert demand(budget({"minAvailable": 10}, status=status), wanted=8, ready=8).now == 6
    sick = {**status, "currentHealthy": 9}
    found = demand(budget({"minAvailable": 10}, status=sick), wanted=8, ready=8)
    assert (found.now, found.ever) == (9, 6)


def test_an_outdated_budget_status_counts_for_nothing() -> None:
    status = {"observedGeneration": 1, "expectedPods": 12, "currentHealthy": 12}

    assert demand(budget({"minAvailable": 8}, generation=2, status=status), wanted=8, ready=8).now == 8


def test_replacing_pods_that_are_not_ready_promises_nothing_to_lose() -> None:
    world = crashed()
    kept = world.replica_sets[0]["metadata"]["uid"]

    assert touched(world, kept_uid=kept) == BlastRadius(1, ready_at_least=None)


@pytest.mark.parametrize(
    ("ready", "spec", "left"),
    [
        (4, rolling(1, 1), 3),
        (2, rolling(1, 1), 2),
        (4, {"strategy": {"type": "Recreate"}}, 0),
        (0, {"strategy": {"type": "Recreate"}}, None),
        (4, rolling("25%", 0), 4),
    ],
    ids=["all ready", "fewer ready than promised", "recreate", "recreate, none ready", "surge only"],
)
def test_what_stays_ready_while_all_pods_are_replaced(ready: int, spec: dict[str, Any], left: int | None) -> None:
    assert touched(of(replicas=4, ready=ready, spec=spec)) == BlastRadius(4, ready_at_least=left)


@given(
    replicas=st.integers(1, 60),
    old_ready=st.integers(0, 60),
    new_ready=st.integers(0, 60),
    new_failing=st.integers(0, 60),
    surge=st.integers(0, 60) | st.integers(0, 100).map(lambda n: f"{n}%"),
    unavailable=st.integers(0, 60) | st.integers(0, 100).map(lambda n: f"{n}%"),
)
def test_the_promise_lies_between_what_is_kept_and_what_is_ready(
    replicas: int, old_ready: int, new_ready: int, new_failing: int, surge: int | str, unavailable: int | str
) -> None:
    pods = [pod(f"old{i}", owner="kept") for i in range(old_ready)]
    pods += [pod(f"new{i}", owner="bad") for i in range(new_ready)]
    pods += [pod(f"fail{i}", ready=False, owner="bad") for i in range(new_failing)]
    world = with_pods(of(replicas=replicas, spec=rolling(surge, unavailable)), pods)

    radius = touched(world, kept_uid="kept")

    assert radius.pods == new_ready + new_failing
    assert (radius.ready_at_least is None) == (new_ready == 0)
    if radius.ready_at_least is not None:
        promised = replicas - fences(world.object).unavailable
        assert old_ready <= radius.ready_at_least <= ready_count(world.pods)
        assert radius.ready_at_least >= min(promised, ready_count(world.pods))


def test_updated_pods_are_those_of_the_newest_revision_whatever_the_kind() -> None:
    stateful = of("StatefulSet", replicas=2)
    stateful.object["status"]["updateRevision"] = "b"
    for each, revision in zip(stateful.pods, "ab", strict=True):
        each["metadata"]["labels"] = {"controller-revision-hash": revision}
    assert [each["metadata"]["name"] for each in updated_pods(stateful)] == ["p1"]

    daemon = of("DaemonSet", replicas=2)
    daemon.object["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "2"}
    for each, generation in zip(daemon.pods, "12", strict=True):
        each["metadata"]["labels"] = {"pod-template-generation": generation}
    assert [each["metadata"]["name"] for each in updated_pods(daemon)] == ["p1"]

    assert len(updated_pods(crashed())) == 1
