"""One rollout as a fold: when two versions stand beside each other, what a verdict says, and how long it counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller.core.events import Event, Judged, RolloutBegan, RolloutEnded
from controller.core.history import History
from controller.core.policy import Budgets
from controller.core.rollout import (
    AFTERWARDS,
    Rollout,
    Version,
    advanced,
    column,
    ending,
    facts,
    runs,
    sentence,
    stream_of,
    told,
    underway,
)
from controller.core.symptoms import symptoms
from controller.core.words import times
from detectors.results import CannotKnow, Counted, Hold, Measured, Promote, RollBack, Unknowable, Verdict
from detectors.series import Workload
from remediations.cluster import World
from remediations.memory import MemoryCluster, deployment
from remediations.owners import controlled_by
from remediations.plan import PatchOp
from runbooks.evidence import FACTS

SHOP = Workload("shop", "Deployment", "checkout")
NOW = datetime.fromisoformat("2026-11-20T14:00:00+00:00")
IMAGE = "/spec/template/spec/containers/0/image"
NUMBERS = Measured(Counted(1000.0, 41.0), Counted(2000.0, 4.0), 10.309, 5.3, 1.2, 8)
ROLL_BACK = RollBack(NUMBERS)
UNKNOWN = CannotKnow(
    Unknowable.SILENT, "the new version was not asked at the last 4 looks", "requests to both versions"
)


class Service:
    """A Deployment whose controllers look when they are told to."""

    def __init__(self) -> None:
        self.now = NOW
        self.cluster = MemoryCluster(lambda: self.now, settling=False)
        self.workload = self.cluster.create(deployment("shop", "checkout", "registry.test/shop:v41", 4))
        self.cluster.settle()

    def roll(self, image: str, looks: int) -> None:
        self.now += timedelta(hours=1)
        self.cluster.change(self.workload, PatchOp("replace", IMAGE, f"registry.test/shop:{image}"))
        for _ in range(looks):
            self.cluster.step()

    @property
    def world(self) -> World:
        found = self.cluster.look(self.workload)
        assert isinstance(found, World)
        return found


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def half(service: Service) -> Service:
    """v42 comes, v41 is still there."""
    service.roll("v42", 3)
    return service


def begun(service: Service) -> Rollout:
    found = underway(service.world)
    assert found is not None
    return Rollout(service.workload, service.now, *found)


def judged(service: Service, verdict: Verdict) -> Rollout:
    rollout = begun(service)
    after = advanced(rollout, told(service.workload, rollout, verdict, service.now))
    assert after is not None
    return after


def test_one_version_alone_is_no_rollout(service: Service) -> None:
    assert underway(service.world) is None


def test_two_versions_with_pods_are_one_each_by_its_name(half: Service) -> None:
    found = underway(half.world)

    assert found is not None
    assert [version.name for version in found] == ["v42", "v41"]
    assert found[0].replica_set.startswith("checkout-")


def test_it_is_over_when_the_last_old_pod_is_gone(half: Service) -> None:
    half.cluster.settle()

    assert underway(half.world) is None


def test_an_older_version_that_comes_back_is_not_judged(half: Service) -> None:
    """Else the bad version would be the baseline of the good one."""
    half.roll("v41", 3)

    assert underway(half.world) is None


def test_of_several_old_versions_the_one_with_most_pods_is_the_baseline(half: Service) -> None:
    half.roll("v43", 2)
    found = underway(half.world)

    assert found is not None
    pods = [pod["spec"]["containers"][0]["image"] for pod in half.world.pods]
    assert found[0].name == "v43"
    assert found[1].name == max(("v41", "v42"), key=lambda name: sum(pod.endswith(name) for pod in pods))


def test_a_regression_is_a_fact_and_a_symptom_with_its_numbers(half: Service) -> None:
    found = dict(facts(judged(half, ROLL_BACK), half.world, half.now))

    assert found["canary.regression"] is True
    (symptom,) = symptoms(found)
    assert (symptom.code, symptom.text) == (
        "regression",
        "v42 fails 4.1 % of its requests, v41 0.2 % (e-value 3·10⁴)",
    )


def test_every_fact_is_one_that_runbooks_know_and_of_its_type(half: Service) -> None:
    types = {"bool": bool, "double": float, "string": str}
    known = {fact.name: types[fact.type] for fact in FACTS if fact.name.startswith("canary.")}
    found = dict(facts(judged(half, ROLL_BACK), half.world, half.now))

    assert found.keys() == known.keys()
    assert [name for name, value in found.items() if not isinstance(value, known[name])] == []


@pytest.mark.parametrize("verdict", [Hold(NUMBERS, 0.6), Promote(NUMBERS)], ids=["hold", "promote"])
def test_a_verdict_that_is_none_is_no_regression(half: Service, verdict: Verdict) -> None:
    found = dict(facts(judged(half, verdict), half.world, half.now))

    assert found["canary.regression"] is False
    assert symptoms(found) == ()


def test_what_cannot_be_known_is_missing_not_false(half: Service) -> None:
    assert dict(facts(judged(half, UNKNOWN), half.world, half.now)) == {}
    assert dict(facts(begun(half), half.world, half.now)) == {}
    assert dict(facts(None, half.world, half.now)) == {}


@pytest.mark.parametrize("verdict", [ROLL_BACK, Hold(NUMBERS, 0.6)], ids=["roll back", "hold"])
def test_a_verdict_counts_as_long_as_both_versions_stand_however_long_nothing_may_be_done(
    half: Service, verdict: Verdict
) -> None:
    """It is recorded when it changes, not at every look: its age says nothing. A freeze may last for days."""
    rollout = judged(half, verdict)

    assert dict(facts(rollout, half.world, half.now + timedelta(days=3)))


def test_a_verdict_counts_only_while_its_version_runs(half: Service) -> None:
    rollout = judged(half, ROLL_BACK)
    half.roll("v41", 2)

    assert not runs(rollout, half.world)
    assert dict(facts(rollout, half.world, half.now)) == {}


def test_after_the_last_old_pod_a_verdict_counts_for_as_long_as_a_budget_may_be_waited_for(half: Service) -> None:
    """From the end, not from the verdict: a rollout may last longer than that."""
    rollout = judged(half, ROLL_BACK)
    end = half.now + timedelta(days=2)
    after = advanced(rollout, RolloutEnded(end, half.workload, rollout.new.uid, "v42", "completed", "roll-back"))

    assert Budgets().window <= Budgets().day <= AFTERWARDS
    assert dict(facts(after, half.world, end + AFTERWARDS - timedelta(seconds=1)))
    assert dict(facts(after, half.world, end + AFTERWARDS)) == {}


@pytest.mark.parametrize(
    ("how", "stands"),
    [("completed", True), ("gone-back", False), ("replaced", False), ("gone", False), ("switched-off", False)],
)
def test_after_the_end_it_stands_only_where_the_bad_version_is_what_was_left(
    half: Service, how: str, stands: bool
) -> None:
    """A version that was gone back from and comes again is judged again."""
    rollout = judged(half, ROLL_BACK)
    over = RolloutEnded(half.now, half.workload, rollout.new.uid, "v42", how, "roll-back")  # type: ignore[arg-type]  # a way of ending
    after = advanced(rollout, over)

    assert bool(dict(facts(after, half.world, half.now))) is stands


def test_a_rollback_verdict_is_not_taken_back_by_a_later_look(half: Service) -> None:
    """Ville's inequality is about the largest of all looks."""
    rollout = judged(half, ROLL_BACK)
    later = told(half.workload, rollout, Hold(NUMBERS, 0.3), half.now)

    assert advanced(rollout, later) == rollout


def test_a_rollout_that_was_only_switched_off_goes_on_with_its_verdict(half: Service) -> None:
    """Begun anew it would have another chance to be wrong, and what was known would be lost."""
    rollout = judged(half, ROLL_BACK)
    new, old = rollout.new, rollout.old
    off = RolloutEnded(half.now, half.workload, new.uid, "v42", "switched-off", "roll-back")
    names = (new.uid, new.replica_set, new.name, old.uid, old.replica_set, old.name)
    later = half.now + timedelta(minutes=5)
    stopped = advanced(rollout, off)

    assert stopped is not None
    assert stopped.interrupted
    assert advanced(stopped, RolloutBegan(later, half.workload, rollout.since, *names)) == rollout
    anew = advanced(stopped, RolloutBegan(later, half.workload, later, *names))
    assert anew is not None
    assert anew.judged is None


def test_a_rollout_is_not_over_while_a_version_without_pods_is_about_to_have_them_again(half: Service) -> None:
    rollout, world = begun(half), half.world
    for version in (rollout.new, rollout.old):
        gone = tuple(pod for pod in world.pods if not controlled_by(pod, version.uid))
        assert ending(rollout, replace(world, pods=gone)) is None
    half.cluster.settle()

    assert ending(rollout, half.world) == "completed"


def test_how_a_rollout_ended_is_read_off_the_version_that_is_wanted(half: Service) -> None:
    rollout, world = begun(half), half.world

    assert ending(rollout, world) is None
    assert ending(rollout, None) == "gone"
    assert ending(rollout, replace(world, replica_sets=())) is None, "not listed yet, or not made yet"
    half.roll("v43", 1)
    assert ending(rollout, half.world) == "replaced"
    half.roll("v41", 1)
    assert ending(rollout, half.world) == "gone-back"


def test_events_of_another_version_change_nothing(half: Service) -> None:
    rollout = begun(half)
    stray: tuple[Event, ...] = (
        Judged(half.now, half.workload, "another", "v40", "roll-back", "…"),
        RolloutEnded(half.now, half.workload, "another", "v40", "gone", ""),
    )

    assert all(advanced(rollout, event) == rollout for event in stray)
    assert all(advanced(None, event) is None for event in stray)


def test_the_record_keeps_the_newest_rollout_of_each_workload(half: Service) -> None:
    history, rollout = History(), begun(half)
    new, old = rollout.new, rollout.old
    began = RolloutBegan(
        half.now, half.workload, half.now, new.uid, new.replica_set, new.name, old.uid, old.replica_set, old.name
    )
    history.add(1, stream_of(half.workload), began)
    history.add(2, stream_of(half.workload), told(half.workload, rollout, ROLL_BACK, half.now))
    history.add(2, stream_of(half.workload), RolloutEnded(half.now, half.workload, new.uid, "v42", "gone", ""))

    kept = history.rollouts[half.workload.key]
    assert kept.new == new
    assert kept.rolled_back
    assert kept.ended is None


@pytest.mark.parametrize(
    ("verdict", "shown", "text"),
    [
        (Hold(NUMBERS, 0.61), "v42 Hold 61%", "v42 fails 4.1 % of its requests, v41 0.2 %: undecided, 61 %"),
        (Promote(NUMBERS), "v42 Promote", "not worse by anything that matters"),
        (ROLL_BACK, "v42 RollBack", "(e-value 3·10⁴)"),
        (UNKNOWN, "v42 CannotKnow", "needed: requests to both versions"),
    ],
    ids=["hold", "promote", "roll back", "cannot know"],
)
def test_a_verdict_has_a_word_for_the_table_and_a_sentence(verdict: Verdict, shown: str, text: str) -> None:
    rollout = Rollout(SHOP, NOW, Version("2", "checkout-b", "v42"), Version("1", "checkout-a", "v41"))

    assert column(rollout, verdict) == shown
    assert text in sentence(rollout, verdict)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.25"), (1.9, "1"), (24.6, "24"), (9999.9, "9999"), (39_999.0, "3·10⁴"), (1e300, "1·10³⁰⁰")],
)
def test_an_e_value_is_never_rounded_up(value: float, text: str) -> None:
    assert times(value) == text
