"""The chat contract on Slack."""

from collections.abc import AsyncIterator

import pytest

from tests.adapters.slack.stage import SlackStage
from tests.contracts.chat_contract import ChatContract
from tests.controlplane.slack import SlackServer


class TestSlackChat(ChatContract):
    @pytest.fixture
    async def stage(self, slack_server: SlackServer) -> AsyncIterator[SlackStage]:
        stage = SlackStage(slack_server)
        yield stage
        await stage.chat.close()
