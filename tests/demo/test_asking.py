"""An answer is about the plan that was shown, and about no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from controller.core.events import Answered, Event, Verdict
from controller.demo.asking import Answering
from controller.demo.audience import Place
from controller.demo.playing import Playing, open_lab
from controller.demo.reading import Kind
from controller.demo.run import Show, Wishes
from controller.demo.settings import YOU, lab_settings
from controller.demo.stories import BEGIN, CONSENTS, Morning, Story
from controller.errors import Denied
from controller.ports import Message
from controller.runtime.answers import Reply
from controller.web.tickets import Tickets
from detectors.series import Workload
from remediations.plan import PatchOp
from tests.demo.watchers import Watcher
from tests.lab.playing import scenario, web
from tests.loops.stage import Stage

MINUTE = timedelta(minutes=1)
LONG = 60.0
LEAK = {"kind": "leak", "at": "3m", "service": "web", "perMinute": "30Mi", "spread": "12%", "upTo": "330Mi"}
MEMORY = {"base": "120Mi", "request": "128Mi", "limit": "256Mi"}
WEB = Workload("shop", "Deployment", "web")


@dataclass
class Person(Watcher):
    """Somebody at a terminal: reads questions, and says once what they are told to say."""

    shown: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[Reply] = field(default_factory=list)
    says: Verdict | None = None

    def asks(self, question: Message, link: str) -> None:
        self.shown.put_nowait(dict(question.facts)["Touches"])

    def heard(self) -> Verdict | None:
        said, self.says = self.says, None
        return said

    def replies(self, reply: Reply) -> None:
        self.told.append(reply)

    def answered(self) -> None:
        self.over.set()


@pytest.fixture
async def playing(tmp_path: Path) -> AsyncIterator[Playing]:
    """A service out of memory, and the question about it."""
    leaking = scenario(web(memory=MEMORY), faults=[LEAK])
    policy = Story("", Kind.INCIDENT, WEB, policy=CONSENTS).manifest()
    async with open_lab(lab_settings(tmp_path, ["shop"]), leaking, 7, BEGIN, policies=[policy], people=[YOU]) as opened:
        await opened.clock.run(BEGIN + 20 * MINUTE, lambda: bool(opened.asking))
        assert opened.asking
        yield opened


def show_to(person: Watcher, playing: Playing) -> Show:
    place = Place("http://127.0.0.1", False, Tickets())
    return Show(playing, person, Wishes(), Morning.shipped(), place, asyncio.Event())


async def answers(playing: Playing) -> list[Answered]:
    log: list[Event] = [stored.event for stored in await playing.program.parts.store.follow(0)]
    return [event for event in log if isinstance(event, Answered)]


@asynccontextmanager
async def asked(person: Person, playing: Playing) -> AsyncIterator[None]:
    """Questions are put to this person while the block lasts."""
    asking = asyncio.create_task(show_to(person, playing).ask(Answering(playing.program)))
    try:
        async with asyncio.timeout(LONG):
            yield
    finally:
        asking.cancel()


async def replanned(playing: Playing) -> None:
    """Somebody adds a replica by hand: the plan that was asked about is void, and another is asked about."""
    (before,) = playing.asking.values()
    playing.lab.act_as("mara", WEB, PatchOp("replace", "/spec/replicas", 5))

    def anew() -> bool:
        return any(question.digest != before.digest for question in playing.asking.values())

    playing.clock.attended = lambda: False
    await playing.clock.run(playing.clock.now() + 10 * MINUTE, anew)
    assert anew()


async def test_a_question_about_another_plan_is_shown_again(playing: Playing) -> None:
    person = Person()
    async with asked(person, playing):
        assert "4 pods" in await person.shown.get()
        await replanned(playing)
        assert "5 pods" in await person.shown.get()

    assert person.over.is_set(), "the first question is over"
    assert await answers(playing) == []


async def test_a_yes_to_the_plan_that_was_shown_is_none_to_the_one_that_came_after(playing: Playing) -> None:
    shown = await show_to(Person(), playing).put(*playing.asking)
    assert shown is not None
    await replanned(playing)

    reply = await Answering(playing.program).answer(*shown, Verdict.APPROVE)

    assert not reply.counted
    assert "that plan is not asked about (any more)" in reply.sentence
    assert await answers(playing) == []


async def test_a_yes_counts_once_and_is_told(playing: Playing) -> None:
    person = Person()
    (question,) = playing.asking.values()
    async with asked(person, playing):
        await person.shown.get()
        person.says = Verdict.APPROVE
        await person.over.wait()

    assert [reply.counted for reply in person.told] == [True]
    assert [(one.by, one.digest) for one in await answers(playing)] == [(YOU.name, question.digest)]


class Speechless(Watcher):
    """Fails as soon as there is something to ask."""

    def asks(self, question: Message, link: str) -> None:
        raise RuntimeError("no voice")


async def test_a_question_that_cannot_be_put_ends_the_demo_with_what_was_wrong(playing: Playing) -> None:
    async with asyncio.timeout(LONG):
        with pytest.raises(RuntimeError, match="no voice"):
            await show_to(Speechless(), playing).through()


async def test_nobody_answers_for_people_on_anything_but_the_lab() -> None:
    async with Stage() as stage:
        with pytest.raises(Denied, match="lab"):
            Answering(stage.program)
