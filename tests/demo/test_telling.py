"""What the demo tells while it plays: a turn of a story once, and in words that need no key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controller.core.events import Bearing, Event, Opened, Symptom
from controller.core.timeline import Tone
from controller.demo.telling import Line, line_of
from remediations.plan import Outcome
from tests.core import samples
from tests.demo.test_reading import HOUR, MINUTE, Floors


def told(stream: str, events: Sequence[Event]) -> list[Line]:
    """Every line of a stream."""
    lines = (line_of(stream, events[: number + 1]) for number in range(len(events)))
    return [line for line in lines if line is not None]


def test_a_write_is_told_by_what_it_did() -> None:
    tale = samples.asked().answered().applied().verified(Outcome.EFFECTIVE)
    lines = told(f"incident:{tale.id}", tale.events)

    assert [line.what for line in lines] == ["detected", "asked", "approved", "applied", "verified"]
    assert next(line.text for line in lines if line.what == "applied") == "rolled back to v41"


def test_a_write_that_takes_another_back_says_so() -> None:
    tale = samples.asked().answered().applied().verified(Outcome.HARMFUL)
    intended = next(event for event in tale.events if event.kind == "intended")
    applied = next(event for event in tale.events if event.kind == "applied")
    lines = told(f"incident:{tale.id}", [*tale.events, replace(intended, undo=True), applied])

    assert lines[-1].text == "taken back"


def test_the_incident_that_a_verdict_opens_is_not_told_a_second_time() -> None:
    opened = samples.asked().events[0]
    assert isinstance(opened, Opened)
    by_verdict = replace(opened, symptoms=(Symptom("regression", "v42 fails 8 % of its requests"),))

    assert told("incident:INC-1", [opened])
    assert told("incident:INC-1", [by_verdict]) == []


def test_a_ramp_is_told_by_its_first_raise_and_by_what_it_was_worth() -> None:
    floors = Floors()
    raises = [floors.held(HOUR + step * MINUTE, replicas=8 + step) for step in range(3)]
    lines = told(
        f"floor:{floors.workload.key}",
        [*raises, floors.judged(Bearing.IN_TIME), floors.held(3 * HOUR), floors.judged(Bearing.NOT_NEEDED, 4 * HOUR)],
    )

    assert [line.what for line in lines] == ["floor", "in time", "floor"]
    assert lines[1].tone is Tone.GOOD


def test_a_floor_that_was_late_is_told() -> None:
    floors = Floors()
    (line,) = told(f"floor:{floors.workload.key}", [floors.judged(Bearing.LATE)])

    assert line.tone is Tone.BAD
    assert "not ready" in line.text
