"""Calls of Slack's Web API: with the token as it stands in its file now, and with patience when Slack asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from controller.adapters.slack.problems import APP, BOT, no_token, problem, retry_after, unreachable
from controller.errors import ChatUnavailable

Secret = Callable[[str], str | None]
"""Reads a secret by name (`slack/bot-token`), None when there is none. Asked at each call: a rotation counts."""

PATIENCE = 30.0
"""Seconds that one call may wait for the rate limit in all."""


class Web:
    """The Web API at `base_url`."""

    def __init__(self, secret: Secret, base_url: str, timeout: float = 10.0, patience: float = PATIENCE) -> None:
        self._secret = secret
        self._base_url = f"{base_url.rstrip('/')}/"
        self._timeout = timeout
        self._patience = patience

    def client(self, name: str = BOT) -> AsyncWebClient:
        """A client with the token of secret `name`; raises ChatUnavailable when there is none."""
        token = self._secret(name)
        if not token:
            raise no_token(name)
        # No retries by the library: it would repeat a post whose answer got lost.
        seconds = max(1, round(self._timeout))
        return AsyncWebClient(token=token, base_url=self._base_url, timeout=seconds, retry_handlers=[])

    async def call(self, method: str, name: str = BOT, **arguments: Any) -> dict[str, Any]:
        """The answer, whose `headers` are those of the response; raises ChatUnavailable with a remedy."""
        waited = 0.0
        while True:
            try:
                answer = await self.client(name).api_call(method, json=arguments)
            except SlackApiError as error:
                pause = retry_after(error)
                if pause is None or waited + pause > self._patience:
                    raise problem(method, error) from error
                waited += max(pause, 0.1)
                await asyncio.sleep(pause)
            except (aiohttp.ClientError, TimeoutError, OSError, SlackClientError, ValueError) as cause:
                raise unreachable(method, cause) from cause
            else:
                data = answer.data if isinstance(answer.data, dict) else {}
                return {**data, "headers": {k.lower(): v for k, v in answer.headers.items()}}

    async def probe(self, channel: str = "") -> str:
        """One sentence on a working Slack; raises ChatUnavailable with what to do otherwise. Posts nothing."""
        who = await self.call("auth.test")
        scopes = {scope.strip() for scope in str(who["headers"].get("x-oauth-scopes", "")).split(",") if scope.strip()}
        if scopes and "chat:write" not in scopes:
            raise ChatUnavailable(
                "Slack: the bot token lacks chat:write", "Add the scope to the bot and reinstall the app."
            )
        await self.call("apps.connections.open", APP)
        where = f", posts to {channel}" if channel else ""
        return f"Slack: {who.get('user', 'the bot')} in {who.get('team', 'its workspace')}{where}"
