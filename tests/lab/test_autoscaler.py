"""The autoscaler's rule: the cases of Kubernetes' own tests (replica_calculator_test.go), and what always holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.lab import scaling
from controller.lab.autoscaler import (
    DEFAULT_BEHAVIOR,
    AverageValue,
    Behavior,
    Group,
    Groups,
    History,
    Metric,
    Pod,
    Policy,
    Rule,
    Rules,
    Unknown,
    by_average,
    by_utilization,
    grouped,
    look,
)
from controller.lab.fleet import CPU_SAMPLES, Phase
from tests.lab.playing import go, lab, scenario, web, workload

SYNC = 15.0


def ready(*usage: int) -> Group:
    return Group(len(usage), 1000 * len(usage), sum(usage))


@pytest.mark.parametrize(
    ("pods", "target", "current", "wanted"),
    [
        pytest.param(Groups(ready(300, 500, 700)), 30, 3, 5, id="scale up"),
        pytest.param(Groups(ready(500, 700), Group(1, 1000)), 30, 3, 4, id="unready pods, less scale"),
        pytest.param(Groups(ready(400), Group(2, 2000)), 30, 3, 3, id="unready pods, no scale"),
        pytest.param(Groups(ready(100, 300, 500, 250, 250)), 50, 5, 3, id="scale down"),
        pytest.param(Groups(ready(400, 500, 600)), 50, 3, 3, id="on target"),
        pytest.param(Groups(ready(540, 550)), 50, 2, 2, id="within the tolerance"),
        pytest.param(Groups(ready(1000), missing=Group(1, 1000)), 100, 2, 2, id="missing, equal"),
        pytest.param(Groups(ready(1900), missing=Group(1, 1000)), 100, 2, 2, id="missing, greater"),
        pytest.param(Groups(ready(600), missing=Group(1, 1000)), 100, 2, 2, id="missing, less"),
        pytest.param(Groups(ready(100, 200), Group(), Group(2, 2000)), 100, 4, 3, id="missing pods count as used"),
        pytest.param(Groups(ready(250, 250), Group(1, 1000)), 50, 3, 1, id="on the way down the unready do not count"),
        pytest.param(Groups(missing=Group(3, 3000)), 50, 3, None, id="no sample at all"),
        pytest.param(Groups(ready(559, 560)), 50, 2, 2, id="the percent is cut off"),
    ],
)
def test_utilisation(pods: Groups, target: int, current: int, wanted: int | None) -> None:
    assert by_utilization(pods, target, current) == wanted


@pytest.mark.parametrize(
    ("total", "target", "pods", "wanted"),
    [
        pytest.param(300.0, 100.0, 2, 3, id="up"),
        pytest.param(210.0, 100.0, 2, 2, id="within the tolerance"),
        pytest.param(221.0, 100.0, 2, 3, id="just above"),
        pytest.param(50.0, 100.0, 3, 1, id="down"),
        pytest.param(50.0, 100.0, 0, 1, id="from nothing"),
    ],
)
def test_average_value(total: float, target: float, pods: int, wanted: int) -> None:
    assert by_average(total, target, pods) == wanted


def pod(**said: object) -> Pod:
    plain: dict[str, object] = {
        "phase": "Running",
        "request": 1000,
        "usage": 500,
        "ready": True,
        "started_at": 0.0,
        "sampled_at": 990.0,
    }
    return Pod(**{**plain, **said})  # type: ignore[arg-type]  # a table of fields by name


@pytest.mark.parametrize(
    ("one", "sort"),
    [
        pytest.param(pod(), "ready", id="ready"),
        pytest.param(pod(phase="Pending"), "unready", id="pending"),
        pytest.param(pod(phase="Failed"), "", id="failed"),
        pytest.param(pod(deleting=True), "", id="on its way out"),
        pytest.param(pod(usage=None), "missing", id="without a sample"),
        pytest.param(pod(ready=None), "unready", id="no condition"),
        pytest.param(pod(ready=False, started_at=800.0), "unready", id="young and unready"),
        pytest.param(pod(started_at=800.0, changed_at=970.0), "unready", id="young, no full sample since ready"),
        pytest.param(pod(started_at=800.0, changed_at=950.0), "ready", id="young, sampled since ready"),
        pytest.param(pod(ready=False, changed_at=10.0), "unready", id="old, never ready"),
        pytest.param(pod(ready=False, changed_at=500.0), "ready", id="old, unready for a while: its CPU counts"),
    ],
)
def test_pods_are_sorted_as_the_controller_does(one: Pod, sort: str) -> None:
    groups = grouped([one], now=1000.0)

    assert {name: getattr(groups, name).pods for name in ("ready", "unready", "missing")} == {
        name: int(name == sort) for name in ("ready", "unready", "missing")
    }


def played(rule: Rule, loads: list[float | None], current: int) -> list[int]:
    history, found = History(), []
    for step, load in enumerate(loads):
        metric: Metric = Unknown("down") if load is None else AverageValue(100.0, load, current)
        answer = look(rule, current, [metric], history, step * SYNC)
        current, history = answer.desired, answer.history
        found.append(current)
    return found


def test_a_jump_is_followed_by_doubling_and_a_fall_after_five_minutes() -> None:
    rule = Rule(1, 100, DEFAULT_BEHAVIOR)

    assert played(rule, [4000.0] * 5, 2) == [6, 12, 24, 40, 40]
    down = played(rule, [4000.0, *[100.0] * 25], 40)
    assert down[:20] == [40] * 20
    assert down[-1] == 1


def test_without_behavior_one_look_doubles_or_goes_to_four() -> None:
    assert played(Rule(1, 100), [4000.0] * 6, 1) == [4, 8, 16, 32, 40, 40]


def test_bounds_are_obeyed_while_the_metric_is_unknown() -> None:
    assert played(Rule(5, 10, DEFAULT_BEHAVIOR), [None, None], 2) == [5, 5]
    assert played(Rule(1, 10, DEFAULT_BEHAVIOR), [None], 20) == [10]
    assert played(Rule(1, 10, DEFAULT_BEHAVIOR), [None], 4) == [4]


def test_one_unknown_metric_of_two_stops_a_fall_and_not_a_rise() -> None:
    rule = Rule(1, 50, DEFAULT_BEHAVIOR)
    metrics: list[Metric] = [Unknown("down"), AverageValue(100.0, 100.0, 8)]

    assert look(rule, 8, metrics, History(((8, -400.0),)), 0.0).desired == 8
    assert look(rule, 8, [Unknown("down"), AverageValue(100.0, 1200.0, 8)], History(), 0.0).desired == 12


def test_policies_limit_by_what_was_changed_within_their_period() -> None:
    slow = Behavior(up=Rules((Policy("Pods", 2, 60.0),)), down=Rules((Policy("Pods", 1, 60.0),), window=0.0))

    assert played(Rule(1, 50, slow), [5000.0] * 9, 10) == [12, 12, 12, 12, 14, 14, 14, 14, 16]
    assert played(Rule(1, 50, slow), [100.0] * 9, 10) == [9, 9, 9, 9, 8, 8, 8, 8, 7]


def test_a_disabled_direction_never_moves() -> None:
    still = Behavior(up=DEFAULT_BEHAVIOR.up, down=Rules((), select="Disabled"))

    assert played(Rule(1, 50, still), [100.0] * 40, 10) == [10] * 40


loads = st.lists(st.one_of(st.none(), st.floats(0, 10_000)), min_size=1, max_size=60)


@given(loads=loads, current=st.integers(1, 60), least=st.integers(1, 20), room=st.integers(0, 40), legacy=st.booleans())
def test_it_stays_within_bounds_rises_within_its_policy_and_falls_no_further_than_the_window(
    loads: list[float | None], current: int, least: int, room: int, legacy: bool
) -> None:
    rule = Rule(least, least + room, None if legacy else DEFAULT_BEHAVIOR)
    history, recommended = History(), list[tuple[float, int]]()
    for step, load in enumerate(loads):
        now = step * SYNC
        metric: Metric = Unknown("down") if load is None else AverageValue(100.0, load, current)
        answer = look(rule, current, [metric], history, now)
        assert rule.minimum <= answer.desired <= rule.maximum
        if rule.minimum <= current <= rule.maximum:
            most = max(2 * current, 4) if legacy else max(2 * current, current + 4)
            assert answer.desired <= max(most, current)
            if answer.recommended is not None and answer.desired < current:
                window = [n for at, n in recommended if at > now - 300.0]
                assert answer.desired >= min(rule.maximum, max([rule.minimum, answer.recommended, *window]))
        if answer.recommended is not None:
            recommended.append((now, answer.recommended))
        current, history = answer.desired, answer.history


@given(usages=st.lists(st.integers(0, 2000), max_size=6), target=st.integers(10, 150), current=st.integers(1, 12))
def test_no_direction_is_ever_turned_round_by_pods_that_do_not_count(
    usages: list[int], target: int, current: int
) -> None:
    pods = Groups(ready(*usages), Group(2, 2000), Group(1, 1000))
    wanted = by_utilization(pods, target, current)
    plain = by_utilization(Groups(ready(*usages)), target, len(usages) or 1)
    if wanted is not None and plain is not None and usages:
        ratio = sum(usages) / (10 * len(usages)) // 1 / target
        assert not (ratio < 1.0 and wanted > current)
        assert not (ratio > 1.0 and wanted < current)


def test_the_lab_sorts_its_columns_exactly_as_the_rule_sorts_pods() -> None:
    """The vectorised grouping against `grouped`, all through a rollout with crashes."""
    service = web(versions={"v1": {}, "v2": {"crashAfter": "40s"}}, autoscaler={"cpu": 60, "max": 12})
    stage = lab(scenario(service))
    stage.roll_out(workload(), "v2")
    state = stage._state  # the columns are the lab's own; this is where both views meet
    seen = set()
    for _ in range(60):
        go(stage, 0.25)
        expected = grouped((as_seen(state, one) for one in state.living()), state.t)
        unready = expected.unready._replace(usage=0)  # which the rule never asks for
        assert scaling._groups(state)[0] == expected._replace(unready=unready)  # as above
        seen |= {name for name in ("ready", "unready", "missing") if getattr(expected, name).pods}
    assert seen == {"ready", "unready", "missing"}


def as_seen(state: object, one: object) -> Pod:
    """A pod of the lab as the controller sees it."""
    from controller.lab.state import Pod as LabPod
    from controller.lab.state import State

    assert isinstance(state, State)
    assert isinstance(one, LabPod)
    fleet, phase = state.fleet, state.phase(one)
    counts = fleet.cpu_seen[:, one.place]
    ages = [age for age in range(2, CPU_SAMPLES) if counts[age] == counts[age]]
    usage = None
    if ages and counts[1] == counts[1]:
        usage = round((counts[1] - counts[max(ages)]) / ((max(ages) - 1) * 15.0) * 1000)
    return Pod(
        phase="Pending" if phase in {Phase.PENDING, Phase.PULLING} else "Running",
        request=round(fleet.cpu_request[one.place] * 1000),
        usage=usage,
        deleting=one.deleting is not None,
        ready=one.ready,
        started_at=one.bound,
        changed_at=one.changed,
        sampled_at=state.t - 15.0,
    )
