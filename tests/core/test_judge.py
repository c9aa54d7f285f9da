"""Did it help? S23, S24, S25 as judgement."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.incident import Action
from controller.core.judge import HARM_LASTS, Blame, Look, Patience, blame, healthy, judge, worse
from remediations.plan import Outcome
from tests.core.samples import CRASHING, HEALTHY, at, limits_plan, rollback_plan

PATIENCE = Patience(within=timedelta(minutes=10), lasting=timedelta(minutes=5))
APPLIED = at("14:00:00")


def action(undoable: bool = False, **state: Any) -> Action:
    plan = limits_plan() if undoable else rollback_plan()
    return Action("runbook@1", 0, plan, APPLIED, CRASHING, **state)


def now(minutes: float) -> Any:
    return APPLIED + timedelta(minutes=minutes)


WELL, ILL, BLIND = Look(True, False, "well"), Look(False, False, "ill"), Look(None, False, "unknown")
WORSE = Look(False, True, "worse")


@pytest.mark.parametrize(
    ("look", "state", "minutes", "outcome"),
    [
        (WELL, {"held_since": now(1)}, 5.9, None),
        (WELL, {"held_since": now(1)}, 6, Outcome.EFFECTIVE),
        (WELL, {"held_since": now(9)}, 10, Outcome.INCONCLUSIVE),
        (ILL, {}, 9.9, None),
        (ILL, {}, 10, Outcome.INEFFECTIVE),
        (BLIND, {}, 9.9, None),
        (BLIND, {}, 10, Outcome.INCONCLUSIVE),
        (BLIND, {"held_since": now(1)}, 10, Outcome.INCONCLUSIVE),
        (WORSE, {"worse_since": now(1)}, 9, None),
        (WORSE, {"worse_since": now(1)}, 10, Outcome.HARMFUL),
    ],
    ids=[
        "well, not long enough",
        "well for long enough",
        "well too late",
        "ill, early",
        "ill at the end",
        "unknown, early",
        "unknown at the end",
        "well before, unknown at the end",
        "worse, irreversible: it gets its time",
        "worse at the end",
    ],
)
def test_s23_each_outcome_has_its_time(
    look: Look, state: dict[str, Any], minutes: float, outcome: Outcome | None
) -> None:
    assert judge(action(**state), look, PATIENCE, now(minutes)) is outcome


def test_s25_harm_that_can_be_undone_does_not_wait_for_the_end() -> None:
    harmed = action(undoable=True, worse_since=now(1))

    assert judge(harmed, WORSE, PATIENCE, now(1) + HARM_LASTS / 2) is None
    assert judge(harmed, WORSE, PATIENCE, now(1) + HARM_LASTS) is Outcome.HARMFUL


@given(st.integers(0, 100), st.sampled_from((None, False)))
def test_s23_what_was_not_seen_well_is_never_effective(minutes: int, held: bool | None) -> None:
    verdict = judge(action(held_since=APPLIED), Look(held, False, ""), PATIENCE, now(minutes))

    assert verdict is not Outcome.EFFECTIVE


@pytest.mark.parametrize(
    ("seen", "symptoms", "well"),
    [
        (HEALTHY, (), True),
        ({**HEALTHY, "replicas.ready": 11}, (), False),
        ({**HEALTHY, "replicas.desired": 0, "replicas.ready": 0}, (), False),
        ({**HEALTHY, "replicas.desired": 6, "replicas.ready": 6}, (), False),
        (HEALTHY, ("errors 4 %",), False),
        ({}, (), None),
        ({"replicas.desired": 12}, (), None),
        ({**HEALTHY, "replicas.ready": None}, (), None),
    ],
    ids=["well", "one short", "scaled to zero", "scaled down", "a symptom left", "nothing read", "half read", "a null"],
)
def test_s24_only_all_of_the_service_is_health(
    seen: dict[str, Any], symptoms: tuple[str, ...], well: bool | None
) -> None:
    assert healthy(CRASHING, seen, symptoms)[0] is well


@given(st.integers(0, 11), st.integers(0, 11))
def test_s24_fewer_wanted_replicas_than_before_never_pass(desired: int, ready: int) -> None:
    """Scaling to zero or deleting never passes."""
    assert healthy(CRASHING, {"replicas.desired": desired, "replicas.ready": ready}, ())[0] is False


@given(st.integers(1, 11))
def test_fewer_replicas_that_an_autoscaler_wants_are_well(desired: int) -> None:
    """The load has gone down; nothing else about the service is worse."""
    seen = {"replicas.desired": desired, "replicas.ready": desired, "replicas.autoscaled": True}

    assert healthy(CRASHING, seen, ())[0] is True
    assert not worse({**CRASHING, "replicas.ready": 12}, seen, 10)
    assert healthy(CRASHING, {**seen, "replicas.ready": desired - 1}, ())[0] is False
    assert worse({**CRASHING, "replicas.ready": 12}, {**seen, "replicas.ready": desired - 1}, 10) is (desired <= 10)


def test_s24_an_autoscaler_is_no_excuse_for_none() -> None:
    assert healthy(CRASHING, {"replicas.desired": 0, "replicas.ready": 0, "replicas.autoscaled": True}, ())[0] is False


@pytest.mark.parametrize(
    ("seen", "promised", "is_worse"),
    [
        ({**CRASHING, "replicas.ready": 4}, None, True),
        ({**CRASHING, "replicas.ready": 4}, 4, False),
        ({**CRASHING, "replicas.ready": 3}, 4, True),
        ({**CRASHING, "signals.errors.value": 0.09}, None, False),
        ({**CRASHING, "signals.errors.value": 0.092}, None, True),
        ({**CRASHING, "signals.errors.value": None}, None, False),
        ({}, None, False),
    ],
    ids=["a pod less", "as promised", "less than promised", "some errors more", "twice as bad", "unknown", "nothing"],
)
def test_s25_worse_is_less_ready_or_far_more_errors(seen: dict[str, Any], promised: int | None, is_worse: bool) -> None:
    assert worse(CRASHING, seen, promised) is is_worse


NOTHING, READY, ALL = Blame(ready=False, errors=False), Blame(errors=False), Blame()
UNDER_WAY, IN_FORCE, NOT_IN_FORCE = Outcome.INCONCLUSIVE, Outcome.EFFECTIVE, Outcome.INEFFECTIVE
DONE = {"rolled_out_at": now(3)}


@pytest.mark.parametrize(
    ("state", "outcome", "troubled", "measured_from", "overdue", "expected"),
    [
        ({}, UNDER_WAY, False, 1, False, NOTHING),
        ({}, UNDER_WAY, True, 1, False, ALL),
        ({}, UNDER_WAY, False, 1, True, ALL),
        ({}, NOT_IN_FORCE, False, 1, False, ALL),
        ({}, IN_FORCE, False, 1, False, READY),
        (DONE, IN_FORCE, False, 2.9, False, READY),
        (DONE, IN_FORCE, False, 3, False, ALL),
        (DONE, UNDER_WAY, False, 2, False, READY),
        (DONE, UNDER_WAY, False, 4, False, ALL),
    ],
    ids=[
        "it rolls out",
        "it rolls out, and a new pod fails",
        "it rolls out for too long",
        "it is not in force",
        "it has just rolled out",
        "errors of before its end",
        "errors of after its end",
        "it has rolled out, and the autoscaler adds a pod",
        "it has rolled out long since, and the autoscaler adds a pod",
    ],
)
def test_s25_harm_is_what_the_change_did_and_not_what_it_replaces(
    state: dict[str, Any], outcome: Outcome, troubled: bool, measured_from: float, overdue: bool, expected: Blame
) -> None:
    assert blame(action(undoable=True, **state), outcome, troubled, now(measured_from), overdue) == expected


@pytest.mark.parametrize(
    ("by", "is_worse"), [(ALL, (True, True)), (READY, (True, False)), (NOTHING, (False, False))], ids=str
)
def test_only_what_is_blamed_on_the_change_makes_it_worse(by: Blame, is_worse: tuple[bool, bool]) -> None:
    fewer, failing = {**HEALTHY, "replicas.ready": 3}, {**HEALTHY, "signals.errors.value": 0.3}

    assert (worse(CRASHING, fewer, None, by), worse(CRASHING, failing, None, by)) == is_worse


@pytest.mark.parametrize("within", [4, 5, 15])
def test_s25_errors_that_begin_while_it_rolls_out_are_harm_by_the_verdict_at_the_latest(within: int) -> None:
    """A runbook may give the repair less time than its step has for the rollout (5 min)."""
    patience = Patience(within=timedelta(minutes=within), lasting=timedelta(minutes=1))
    acted, failing, at_end = action(undoable=True), {**HEALTHY, "signals.errors.value": 0.3}, now(within)
    by = blame(acted, Outcome.INCONCLUSIVE, False, now(within - 3), at_end - APPLIED >= patience.excused)
    look = Look(False, worse(CRASHING, failing, None, by), "still under way")

    assert patience.excused == timedelta(minutes=min(within, 5))
    assert judge(acted, look, patience, at_end) is Outcome.HARMFUL
