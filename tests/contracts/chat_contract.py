"""What every Chat promises, run on each: in memory, and on Slack (a stand-in that speaks Socket Mode)."""

import asyncio
from dataclasses import replace
from typing import Protocol

import pytest

from controller.errors import ChatUnavailable
from controller.ports import Button, Chat, Click, Message, Posted

QUESTION = Message(
    key="INC-2041",
    headline="● shop/checkout crash-loops since 14:02 UTC",
    facts=(("What", "7 of 12 pods restart"), ("Cause", "rollout of v42 (0.93)")),
    footer="expires 14:17 UTC · INC-2041",
    buttons=(
        Button("approve", "Approve the rollback", "INC-2041 7f3a7f3a7f3a7f3a", style="primary"),
        Button("reject", "Reject…", "INC-2041 7f3a7f3a7f3a7f3a", style="danger", asks_reason=True),
        Button("plan", "Full plan", "INC-2041 7f3a7f3a7f3a7f3a"),
    ),
)
ANSWERED = replace(QUESTION, footer="✔ Rolled back by @mara at 14:05", buttons=())


class Stage(Protocol):
    """A chat with the people in it."""

    @property
    def chat(self) -> Chat:
        """What is tested."""

    async def press(self, posted: Posted, action: str, user: str, reason: str = "", *, times: int = 1) -> None:
        """A person presses a button and gives the reason it asks for; more `times` are repetitions by the network."""

    async def told(self, user: str) -> str:
        """What that person was told last, once they were."""

    async def settle(self) -> None:
        """Give whatever is under way its time."""

    def texts(self) -> list[str]:
        """What the channel shows, message by message, as plain text."""

    def actions(self, posted: Posted) -> list[str]:
        """The buttons that a message shows now."""

    def go_down(self) -> None:
        """Answer nothing any more."""


class Recorder:
    """A handler that remembers its clicks."""

    def __init__(self, sentence: str = "Approved.") -> None:
        self.clicks: list[Click] = []
        self.sentence = sentence

    async def __call__(self, click: Click) -> str:
        self.clicks.append(click)
        return self.sentence


class ChatContract:
    """Subclasses give the fixture `stage`."""

    async def test_a_message_shows_headline_facts_footer_and_buttons(self, stage: Stage) -> None:
        posted = await stage.chat.post("C1", QUESTION)

        (text,) = stage.texts()
        for part in (QUESTION.headline, "7 of 12 pods restart", "rollout of v42 (0.93)", QUESTION.footer):
            assert part in text
        assert stage.actions(posted) == ["approve", "reject", "plan"]

    async def test_an_update_replaces_the_message_in_place(self, stage: Stage) -> None:
        posted = await stage.chat.post("C1", QUESTION)

        await stage.chat.update(posted, ANSWERED)

        (text,) = stage.texts()
        assert "✔ Rolled back by @mara at 14:05" in text
        assert "expires" not in text
        assert stage.actions(posted) == []

    async def test_a_click_says_who_pressed_what_where_and_the_person_is_told(self, stage: Stage) -> None:
        clicked = Recorder("Approved: it is carried out now.")
        await stage.chat.start(clicked)
        posted = await stage.chat.post("C1", QUESTION)

        await stage.press(posted, "approve", "U7")

        assert await stage.told("U7") == "Approved: it is carried out now."
        (click,) = clicked.clicks
        assert (click.action, click.value, click.user_id) == ("approve", "INC-2041 7f3a7f3a7f3a7f3a", "U7")
        assert (click.posted, click.reason) == (posted, "")

    async def test_a_button_that_asks_for_a_reason_brings_it(self, stage: Stage) -> None:
        clicked = Recorder("Rejected.")
        await stage.chat.start(clicked)
        posted = await stage.chat.post("C1", QUESTION)

        await stage.press(posted, "reject", "U7", "  v43 is on its way <soon>  ")

        assert await stage.told("U7") == "Rejected."
        (click,) = clicked.clicks
        assert (click.action, click.reason, click.posted) == ("reject", "v43 is on its way <soon>", posted)

    @pytest.mark.parametrize("reason", ["", "   "])
    async def test_a_button_that_asks_for_a_reason_counts_only_with_one(self, stage: Stage, reason: str) -> None:
        clicked = Recorder()
        await stage.chat.start(clicked)
        posted = await stage.chat.post("C1", QUESTION)

        await stage.press(posted, "reject", "U7", reason)
        await stage.settle()

        assert clicked.clicks == []

    async def test_s20_a_click_repeated_by_the_network_is_one_click(self, stage: Stage) -> None:
        clicked = Recorder()
        await stage.chat.start(clicked)
        posted = await stage.chat.post("C1", QUESTION)

        await stage.press(posted, "approve", "U7", times=4)
        await stage.settle()

        assert len(clicked.clicks) == 1

    async def test_two_people_are_two_clicks(self, stage: Stage) -> None:
        clicked = Recorder()
        await stage.chat.start(clicked)
        posted = await stage.chat.post("C1", QUESTION)

        await asyncio.gather(stage.press(posted, "approve", "U7"), stage.press(posted, "approve", "U8"))
        await stage.told("U7")
        await stage.told("U8")

        assert sorted(click.user_id for click in clicked.clicks) == ["U7", "U8"]

    async def test_a_chat_that_does_not_answer_is_unavailable_with_a_remedy(self, stage: Stage) -> None:
        posted = await stage.chat.post("C1", QUESTION)
        stage.go_down()

        for asked in (
            stage.chat.post("C1", QUESTION),
            stage.chat.update(posted, ANSWERED),
            stage.chat.start(Recorder()),
        ):
            with pytest.raises(ChatUnavailable) as refused:
                await asked
            assert refused.value.remedy

    async def test_updating_what_is_not_there_is_unavailable(self, stage: Stage) -> None:
        with pytest.raises(ChatUnavailable):
            await stage.chat.update(Posted("C1", "1.000000"), QUESTION)

    async def test_closing_is_quiet_also_before_the_start(self, stage: Stage) -> None:
        await stage.chat.close()
        await stage.chat.close()
