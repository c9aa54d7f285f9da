"""The Chat on Slack, by slack-bolt in Socket Mode: no address of ours has to be reachable from outside.

Promises that an interaction is acknowledged before it is handled, handed over once even when Slack repeats it, and
only when a person pressed a button of ours; what the handler says goes to that person alone. An event reaches one
open connection, so every replica may be connected. A post whose answer got lost may be there nevertheless: Slack
offers nothing to post under a key.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck

from controller.adapters.slack.blocks import blocks, fallback, reply
from controller.adapters.slack.clicks import REASON, NeedsReason, NoReason, Nothing, Once, Pressed, read
from controller.adapters.slack.problems import BOT
from controller.adapters.slack.socket import Handler
from controller.adapters.slack.web import Secret, Web
from controller.errors import ChatUnavailable, TrimtabError
from controller.failpoints import around
from controller.ports import Click, Clicked, Message, Posted

log = structlog.get_logger(__name__)

ANYTHING = re.compile(".*", re.DOTALL)
SLACK = "https://slack.com/api/"
LAST_WORDS = 3.0
"""Seconds that a click in progress gets when the chat is closed."""


class SlackChat:
    """A Chat. `secret` reads `slack/bot-token` and `slack/app-token`, `link` is the address of our page."""

    def __init__(
        self,
        secret: Secret,
        *,
        base_url: str = SLACK,
        link: str = "",
        mentions: Mapping[str, str] | None = None,
        ping_interval: float = 10.0,
        timeout: float = 10.0,
        patience: float = 30.0,
    ) -> None:
        self._web = Web(secret, base_url, timeout, patience)
        self._secret = secret
        self._link = link.rstrip("/")
        self._mentions = dict(mentions or {})
        self._ping_interval = ping_interval
        self._logger = logging.getLogger("controller.slack")
        self._once = Once()
        self._bot = ""
        self._clicked: Clicked | None = None
        self._handler: Handler | None = None
        self._handling: set[asyncio.Task[Any]] = set()

    async def start(self, clicked: Clicked) -> None:
        """Connect; raises ChatUnavailable, and may then be asked again."""
        await self._disconnect()
        self._clicked = clicked
        self._bot = str((await self._web.call("auth.test")).get("user_id") or "")
        self._handler = Handler(self._app(), self._web, self._logger, self._ping_interval)
        try:
            await self._handler.open()
        except BaseException:
            await self._disconnect()
            raise
        log.info("slack connected", bot=self._bot)

    async def post(self, channel: str, message: Message) -> Posted:
        """Post a new message."""
        async with around("chat.post"):
            answer = await self._web.call(
                "chat.postMessage", channel=channel, unfurl_links=False, unfurl_media=False, **self._shown(message)
            )
        return Posted(str(answer.get("channel") or channel), str(answer["ts"]))

    async def update(self, posted: Posted, message: Message) -> None:
        """Replace a message in place."""
        async with around("chat.update"):
            await self._web.call("chat.update", channel=posted.channel, ts=posted.ts, **self._shown(message))

    async def probe(self, channel: str = "") -> str:
        """One sentence on a working Slack, for `trimtab doctor`, or ChatUnavailable with a remedy. Posts nothing."""
        return await self._web.probe(channel)

    async def close(self) -> None:
        """Disconnect; clicks in progress are finished first, for a few seconds."""
        if self._handling:
            await asyncio.wait(self._handling, timeout=LAST_WORDS)
        await self._disconnect()

    def _shown(self, message: Message) -> dict[str, Any]:
        return {"text": fallback(message), "blocks": blocks(message, self._link, self._mentions)}

    def _app(self) -> AsyncApp:
        async def authorize() -> AuthorizeResult:
            return AuthorizeResult(enterprise_id=None, team_id=None, bot_user_id=self._bot, bot_token=self._secret(BOT))

        app = AsyncApp(logger=self._logger, client=self._web.client(), authorize=authorize)
        app.action({"action_id": ANYTHING})(self._acted)
        app.view(REASON)(self._acted)
        return app

    async def _acted(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Acknowledge an interaction at once, then go on with what it means."""
        task = asyncio.current_task()
        if task is not None:
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)
        match read(body, self._bot):
            case NoReason():
                await ack(response_action="errors", errors={REASON: "Say why, in a few words."})
            case Pressed(click=click, once=once):
                await ack()
                if self._once.first(once):
                    await self._hand_over(click)
            case NeedsReason(view=view, trigger=trigger, once=once):
                await ack()
                if self._once.first(once):
                    await self._ask(view, trigger, body)
            case Nothing(why=why):
                await ack()
                log.info("slack interaction ignored", why=why)

    async def _hand_over(self, click: Click) -> None:
        assert self._clicked is not None
        try:
            sentence = await self._clicked(click)
        except TrimtabError as error:
            log.warning("click failed", action=click.action, user=click.user_id, error=str(error))
            sentence = f"That did not work: {error}"
        except Exception:
            log.exception("click failed", action=click.action, user=click.user_id)
            sentence = (
                "That did not work, and it is not known how far it came: look at the incident before you try again."
            )
        await self._tell(click.posted.channel, click.user_id, sentence)

    async def _ask(self, view: Mapping[str, Any], trigger: str, body: Mapping[str, Any]) -> None:
        try:
            await self._web.call("views.open", trigger_id=trigger, view=dict(view))
        except ChatUnavailable as error:
            log.warning("slack dialogue not opened", error=str(error))
            channel = str((body.get("channel") or {}).get("id") or "")
            await self._tell(channel, str(body["user"]["id"]), "Slack did not open the dialogue: click once more.")

    async def _tell(self, channel: str, user: str, sentence: str) -> None:
        """Say something that only this person sees; the answer stands even when this fails."""
        if not sentence:
            return
        text, shown = reply(sentence)
        try:
            await self._web.call("chat.postEphemeral", channel=channel, user=user, text=text, blocks=shown)
        except ChatUnavailable as error:
            log.warning("slack reply not shown", user=user, error=str(error))

    async def _disconnect(self) -> None:
        if self._handler is not None:
            handler, self._handler = self._handler, None
            await handler.close()
