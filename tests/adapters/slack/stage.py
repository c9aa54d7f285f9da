"""The Slack adapter with the stand-in behind it, and people who click."""

from contextlib import suppress

from controller.adapters.slack import SlackChat, render_text
from controller.ports import Posted
from tests.controlplane.errors import FixtureError, NeverHappened
from tests.controlplane.slack import Message, SlackServer
from tests.controlplane.waiting import eventually


class SlackStage:
    """One chat on one server; tokens can be changed as a rotated secret file would."""

    def __init__(self, server: SlackServer, patience: float = 5.0, link: str = "") -> None:
        self.server = server
        self.tokens: dict[str, str | None] = {"slack/bot-token": server.bot_token, "slack/app-token": server.app_token}
        self.chat = SlackChat(
            self.tokens.get,
            base_url=server.base_url,
            ping_interval=0.5,
            timeout=2,
            patience=patience,
            link=link,
            mentions={"group:sre-oncall": "S0SRE", "mara": "U0MARA"},
        )

    def message(self, posted: Posted) -> Message:
        """The message as the channel shows it now."""
        (found,) = [m for m in self.server.messages if (m.channel, m.ts) == (posted.channel, posted.ts)]
        return found

    async def press(self, posted: Posted, action: str, user: str, reason: str = "", *, times: int = 1) -> None:
        """Press a button, fill in the dialogue if one opens, and let the network repeat each event."""
        views = len(self.server.views)
        asks = next(e for b, e in self.message(posted).elements() if e["action_id"] == action)["text"]["text"].endswith(
            "…"
        )
        await self.connected()
        envelope = await eventually(
            "a click", lambda: self.server.click(self.message(posted), action, user), absorb=(FixtureError,)
        )
        await self.repeated(envelope.envelope_id, times)
        if asks:
            await eventually("a dialogue", lambda: len(self.server.views) > views)
            sent = await eventually(
                "sent", lambda: self.server.submit_view(self.server.views[-1], {"reason": reason}, user)
            )
            await self.repeated(sent.envelope_id, times)

    async def repeated(self, envelope_id: str, times: int) -> None:
        """Wait for the acknowledgement, then send the same event again. What nobody acknowledges is sent again too, as
        Slack does: it may have gone to a connection that was about to close.
        """
        for _ in range(10):
            with suppress(NeverHappened):
                await eventually("an acknowledgement", lambda: envelope_id in self.server.acks, timeout=5, every=0.02)
                break
            with suppress(FixtureError):  # no connection yet
                self.server.replay(self.server.envelopes[envelope_id])
        assert envelope_id in self.server.acks
        for _ in range(times - 1):
            self.server.replay(self.server.envelopes[envelope_id])

    async def connected(self) -> None:
        """Return once the adapter is connected."""
        await eventually("a connection", lambda: self.server.connections > 0, every=0.02)

    async def told(self, user: str) -> str:
        """What only that person sees."""

        def last() -> list[str]:
            return [message.text for message in self.server.messages if message.ephemeral_for == user]

        return (await eventually(f"something told to {user}", last, every=0.02))[-1]

    async def settle(self) -> None:
        """Until every event is acknowledged and a probe has made its way through the same connection."""
        await self.connected()
        probe = self.server.say("settle")
        await eventually("all acknowledged", lambda: probe.envelope_id in self.server.acks, every=0.02)

    def texts(self) -> list[str]:
        """What everybody sees."""
        return [render_text(message.blocks) for message in self.server.messages if message.ephemeral_for is None]

    def actions(self, posted: Posted) -> list[str]:
        """The buttons of a message."""
        return self.message(posted).action_ids

    def go_down(self) -> None:
        """Slack answers every call with an error of its own."""
        for method in ("auth.test", "chat.postMessage", "chat.update"):
            self.server.fail(method, "fatal_error", times=99)
