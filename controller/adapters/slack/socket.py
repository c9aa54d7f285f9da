"""Socket Mode: one connection that comes back by itself, with the app token as it stands in its file when it does.

Only `interactive` envelopes go further. Everything else (messages, mentions, commands) is acknowledged and dropped
here: free text never counts (S19).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable

from slack_bolt.adapter.socket_mode.async_base_handler import AsyncBaseSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from controller.adapters.slack.problems import APP, unreachable
from controller.adapters.slack.web import Web

CONNECT_WITHIN = 15.0


class Connection(SocketModeClient):
    """A connection that asks for its address through `Web`: errors with remedies, tokens that may rotate."""

    def __init__(self, web: Web, logger: logging.Logger, ping_interval: float) -> None:
        super().__init__("", logger, web.client(APP), ping_interval=ping_interval)
        self._web = web

    async def issue_new_wss_url(self) -> str:
        """Ask for a new address; Slack gives each only once."""
        return str((await self._web.call("apps.connections.open", APP))["url"])


class Handler(AsyncBaseSocketModeHandler):
    """Takes envelopes from the connection and hands interactions to bolt."""

    def __init__(self, app: AsyncApp, web: Web, logger: logging.Logger, ping_interval: float) -> None:
        self.app = app
        self.bolt = app
        self.client = self.connection = Connection(web, logger, ping_interval)
        self.client.socket_mode_request_listeners.append(self.handle)

    async def open(self) -> None:
        """Return once connected; raises ChatUnavailable. Afterwards the connection is kept up by itself."""
        self.connection.wss_uri = await self.connection.issue_new_wss_url()
        connecting: Awaitable[None] = self.connection.connect()  # type: ignore[no-untyped-call]  # slack-sdk leaves it out
        try:
            await asyncio.wait_for(connecting, CONNECT_WITHIN)
        except TimeoutError as cause:
            raise unreachable("the Socket Mode connection", cause) from cause

    async def close(self) -> None:
        """Disconnect for good, and return when its tasks have ended."""
        connection = self.connection
        tasks = [connection.message_processor, connection.current_session_monitor, connection.message_receiver]
        closing: Awaitable[None] = connection.close()  # type: ignore[no-untyped-call]  # slack-sdk leaves it out
        await closing
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        """Acknowledge, and go on with what a person pressed."""
        if req.type != "interactive":
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id))
            return
        began = time.time()
        await send_async_response(client, req, await run_async_bolt_app(self.bolt, req), began)
