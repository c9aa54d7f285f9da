"""What became of a story is read from the log alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.events import Bearing, Event, FloorHeld, FloorJudged, HandedOver, Opened, Verdict
from controller.demo.reading import Ending, Kind, Streams, ending, found
from controller.demo.stories import STORIES, Expected, Story
from detectors.series import Workload
from remediations.plan import Outcome
from tests.core import samples

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def first(tale: samples.Tale) -> Opened:
    opened = tale.events[0]
    assert isinstance(opened, Opened)
    return opened


def read(kind: Kind, *tales: samples.Tale) -> Ending:
    """How a story about these incidents of one workload ended."""
    return ending(kind, first(tales[0]).workload, several(*tales))


def several(*tales: samples.Tale) -> Streams:
    """Incidents of one workload, one after the other: INC-1, INC-2, …"""
    return {
        f"incident:INC-{number}": [replace(first(tale), incident=f"INC-{number}"), *tale.events[1:]]
        for number, tale in enumerate(tales, start=1)
    }


def handed_over() -> samples.Tale:
    tale = samples.asked()
    opened = first(tale)
    return replace(tale, events=[opened, HandedOver(opened.at + MINUTE, ("no runbook fits",))])


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
    assert read(Kind.INCIDENT, samples.asked()) == Ending("ask", by="nobody", incident="INC-1")


def test_what_was_handed_over_is_a_persons() -> None:
    ended = read(Kind.HANDOVER, handed_over())

    assert (ended.route, ended.outcome, ended.verified, ended.by) == ("hand_over", "none", False, "a person")


def test_a_control_holds_as_long_as_nothing_is_written() -> None:
    opened = first(samples.asked())

    assert ending(Kind.CONTROL, opened.workload, {}).verified
    assert read(Kind.CONTROL, handed_over(), samples.asked()).verified
    assert not read(Kind.CONTROL, samples.asked().answered().applied()).verified


def test_a_control_in_whose_second_incident_something_was_written_does_not_hold() -> None:
    assert not read(Kind.CONTROL, handed_over(), samples.asked().answered().applied()).verified
    assert not read(Kind.CONTROL, samples.asked().answered().applied(), handed_over()).verified


def test_a_control_whose_floor_was_written_does_not_hold() -> None:
    written = [event for event in samples.asked().answered().applied().events if event.kind in {"intended", "applied"}]

    assert written
    for event in written:
        assert not ending(Kind.CONTROL, Floors.workload, {f"floor:{Floors.workload.key}": [event]}).verified


@pytest.mark.parametrize("outcome", [Outcome.INEFFECTIVE, Outcome.HARMFUL, Outcome.INCONCLUSIVE])
@pytest.mark.parametrize("kind", [Kind.CANARY, Kind.INCIDENT, Kind.HANDOVER, Kind.CONTROL])
def test_one_incident_that_went_wrong_is_not_covered_by_one_that_did_not(kind: Kind, outcome: Outcome) -> None:
    well = samples.asked().answered().applied().verified(Outcome.EFFECTIVE)
    wrong = samples.asked().answered().applied().verified(outcome)

    assert read(kind, well, wrong).outcome == outcome.value.lower()
    assert read(kind, wrong, well).outcome == outcome.value.lower()


def test_a_second_incident_that_was_repaired_is_no_handover() -> None:
    assert read(Kind.HANDOVER, handed_over(), samples.asked().answered().applied()).incident == "INC-2"


def test_every_incident_of_a_fleet_of_ones_own_is_told() -> None:
    streams = several(handed_over(), samples.asked().answered().applied())
    workload = first(samples.asked()).workload

    told = found(workload, streams)
    assert told == ((Kind.HANDOVER, "INC-1"), (Kind.INCIDENT, "INC-2"))
    assert [ending(kind, workload, streams, incident).incident for kind, incident in told] == ["INC-1", "INC-2"]


def test_an_incident_of_another_workload_is_none_of_ours() -> None:
    other = Workload("elsewhere", "Deployment", "other")

    assert found(other, several(samples.asked())) == ((Kind.CONTROL, ""),)
    assert ending(Kind.CONTROL, other, several(samples.asked())) == Ending(verified=True)


@pytest.mark.parametrize(
    ("outcome", "well"),
    [("effective", True), ("none", True), ("ineffective", False), ("harmful", False), ("inconclusive", False)],
)
def test_a_story_of_which_nothing_was_expected_can_still_go_wrong(outcome: str, well: bool) -> None:
    story = Story("an incident", Kind.INCIDENT, first(samples.asked()).workload)

    assert story.as_it_should(Ending("auto", outcome, verified=outcome == "effective")) is well


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.kind.value)
def test_a_story_that_was_written_has_one_end(story: Story) -> None:
    assert isinstance(story.expects, Expected)
    end = Ending(story.expects.route, story.expects.outcome, story.expects.verified)

    assert story.as_it_should(end)
    assert not story.as_it_should(replace(end, verified=not end.verified))
    assert not story.as_it_should(replace(end, outcome="ineffective"))
    assert not story.as_it_should(replace(end, route="refuse"))


class Floors:
    """A floor's stream of one workload."""

    workload = Workload("shop", "Deployment", "storefront")
    at = samples.DAY + HOUR

    def held(self, after: timedelta = HOUR, replicas: int = 8, was: int = 3) -> FloorHeld:
        scaler = replace(self.workload, kind="HorizontalPodAutoscaler", api_version="autoscaling/v2")
        return FloorHeld(self.at + after, self.workload, scaler, "u1", "shop/storefront@1", replicas, was)

    def judged(self, bearing: Bearing, after: timedelta = 2 * HOUR, missing: int | None = None) -> FloorJudged:
        at = self.at + after
        short = int(bearing is Bearing.LATE) if missing is None else missing
        return FloorJudged(at, self.workload, 8, bearing, at - 10 * MINUTE, at, was=3, bound=500.0, missing=short)

    def read(self, *events: Event) -> Ending:
        return ending(Kind.SCALING, self.workload, {f"floor:{self.workload.key}": list(events)})


def test_a_floor_that_was_only_written_is_not_verified() -> None:
    floors = Floors()

    assert not floors.read().verified
    assert floors.read(floors.held()).outcome == "none"
    assert not floors.read(floors.held()).verified


@pytest.mark.parametrize(
    ("bearing", "outcome"),
    [
        (Bearing.IN_TIME, "effective"),
        (Bearing.NOT_NEEDED, "none"),
        (Bearing.LATE, "ineffective"),
        (Bearing.EXCEEDED, "ineffective"),
        (Bearing.UNKNOWN, "inconclusive"),
    ],
)
def test_a_floor_is_worth_what_its_pods_were_when_the_load_came(bearing: Bearing, outcome: str) -> None:
    floors = Floors()
    ended = floors.read(floors.held(), floors.judged(bearing))

    assert (ended.outcome, ended.verified) == (outcome, bearing is Bearing.IN_TIME)
    assert bool(ended.detail) == (bearing is not Bearing.NOT_NEEDED)


def test_of_several_floors_the_last_that_was_needed_counts_and_one_that_fell_short_always() -> None:
    floors = Floors()
    early, on_time, late = (floors.judged(one) for one in (Bearing.NOT_NEEDED, Bearing.IN_TIME, Bearing.LATE))

    assert floors.read(early, on_time).verified
    assert floors.read(on_time, early).verified
    assert not floors.read(late, on_time).verified
    assert not floors.read(on_time, floors.judged(Bearing.UNKNOWN)).verified


def test_a_load_beyond_the_forecast_counts_against_a_floor_when_its_pods_were_missing() -> None:
    floors = Floors()
    on_time = floors.judged(Bearing.IN_TIME)

    assert floors.read(on_time, floors.judged(Bearing.EXCEEDED)).verified
    assert not floors.read(on_time, floors.judged(Bearing.EXCEEDED, missing=2)).verified
    assert "2 pods missing" in floors.read(floors.judged(Bearing.EXCEEDED, missing=2)).detail
