"""The chat contract in memory."""

import pytest

from controller.adapters.memory.chat import MemoryChat
from controller.ports import Posted
from tests.contracts.chat_contract import QUESTION, ChatContract, Recorder, Stage


class MemoryStage:
    def __init__(self) -> None:
        self.chat = MemoryChat()
        self.heard: dict[str, str] = {}

    async def press(self, posted: Posted, action: str, user: str, reason: str = "", *, times: int = 1) -> None:
        for _ in range(times):
            sentence = await self.chat.click(posted, action, user, reason, once="1" if times > 1 else "")
            if sentence is not None:
                self.heard[user] = sentence

    async def told(self, user: str) -> str:
        return self.heard[user]

    async def settle(self) -> None:
        pass

    def texts(self) -> list[str]:
        return [str(shown.message) for shown in self.chat.shown]

    def actions(self, posted: Posted) -> list[str]:
        return [
            button.action for shown in self.chat.shown if shown.posted == posted for button in shown.message.buttons
        ]

    def go_down(self) -> None:
        self.chat.down = "connection refused"


class TestMemoryChat(ChatContract):
    @pytest.fixture
    def stage(self) -> Stage:
        return MemoryStage()

    async def test_a_button_that_is_not_shown_cannot_be_pressed(self) -> None:
        chat = MemoryChat()
        await chat.start(Recorder())
        posted = await chat.post("C1", QUESTION)

        with pytest.raises(ValueError, match="shows no button"):
            await chat.click(posted, "explode", "U7")
