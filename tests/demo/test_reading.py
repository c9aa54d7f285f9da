"""What became of a story is read from the log alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.events import Event, FloorEnded, FloorHeld, HandedOver, Opened, Verdict
from controller.demo.reading import Ending, Kind, about, ending, kinds
from detectors.series import Workload
from remediations.plan import Outcome
from tests.core import samples

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def first(tale: samples.Tale) -> Opened:
    opened = tale.events[0]
    assert isinstance(opened, Opened)
    return opened


def read(kind: Kind, tale: samples.Tale) -> Ending:
    opened = first(tale)
    streams = {f"incident:{opened.incident}": list(tale.events)}
    return ending(kind, opened.workload, streams, opened.at)


def test_an_approved_repair_was_asked_by_its_person_and_verified() -> None:
    found = read(Kind.INCIDENT, samples.asked().answered().applied().verified(Outcome.EFFECTIVE).closed())

    assert (found.route, found.outcome, found.verified) == ("ask", "effective", True)
    assert found.by == "mara"
    assert found.seconds is not None
    assert found.seconds > 0


@pytest.mark.parametrize("outcome", [Outcome.INEFFECTIVE, Outcome.HARMFUL, Outcome.INCONCLUSIVE])
def test_only_an_effect_is_verified(outcome: Outcome) -> None:
    found = read(Kind.INCIDENT, samples.asked().answered().applied().verified(outcome))

    assert (found.outcome, found.verified, found.seconds) == (outcome.value.lower(), False, None)


def test_a_no_is_told_as_one() -> None:
    found = read(Kind.INCIDENT, samples.asked().answered(verdict=Verdict.REJECT))

    assert (found.route, found.outcome, found.verified, found.refused) == ("ask", "none", False, True)


def test_a_question_without_an_end_is_not_verified() -> None:
    assert read(Kind.INCIDENT, samples.asked()) == Ending("ask", by="nobody", incident=first(samples.asked()).incident)


def test_what_was_handed_over_is_a_persons() -> None:
    opened = first(samples.asked())
    over = HandedOver(opened.at + MINUTE, ("no runbook fits",))
    found = ending(Kind.HANDOVER, opened.workload, {"incident:INC-1": [opened, over]}, opened.at)

    assert (found.route, found.outcome, found.verified, found.by) == ("hand_over", "none", False, "a person")
    assert kinds(opened.workload, {"incident:INC-1": [opened, over]}) == (Kind.HANDOVER,)


def test_a_control_holds_as_long_as_nothing_is_written() -> None:
    opened = first(samples.asked())

    assert ending(Kind.CONTROL, opened.workload, {}, opened.at).verified
    assert not read(Kind.CONTROL, samples.asked().answered().applied()).verified


def test_an_incident_of_another_workload_is_none_of_ours() -> None:
    tale = samples.asked()
    other = Workload("elsewhere", "Deployment", "other")

    assert about(other, {"incident:INC-1": list(tale.events)}) == []
    assert kinds(other, {"incident:INC-1": list(tale.events)}) == (Kind.CONTROL,)


class Floors:
    """A floor's stream of one workload."""

    workload = Workload("shop", "Deployment", "storefront")
    at = samples.DAY + HOUR

    def held(self, after: timedelta, replicas: int = 8, was: int = 3) -> FloorHeld:
        scaler = replace(self.workload, kind="HorizontalPodAutoscaler", api_version="autoscaling/v2")
        return FloorHeld(self.at + after, self.workload, scaler, "u1", "shop/storefront@1", replicas, was)

    def ended(self, after: timedelta) -> FloorEnded:
        return FloorEnded(self.at + after, self.workload, "shop/storefront@1", "TakenBack", "kubectl", 8)

    def read(self, *events: Event) -> Ending:
        return ending(Kind.SCALING, self.workload, {f"floor:{self.workload.key}": list(events)}, self.at + 90 * MINUTE)


def test_a_floor_counts_when_it_stands_before_the_load_comes() -> None:
    floors = Floors()

    assert floors.read(floors.held(HOUR)).verified
    assert not floors.read().verified
    assert not floors.read(floors.held(2 * HOUR)).verified, "too late"
    assert not floors.read(floors.held(HOUR, replicas=3)).verified, "no more than its people wrote"
    assert not floors.read(floors.held(HOUR), floors.ended(HOUR + MINUTE)).verified, "taken back"
    assert floors.read(floors.held(HOUR), floors.ended(2 * HOUR)).verified, "taken back afterwards"
