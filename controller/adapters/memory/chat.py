"""The Chat in memory: what a channel would show, and a hand that clicks. For tests and the lab."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.errors import ChatUnavailable
from controller.ports import Click, Clicked, Message, Posted


@dataclass
class Shown:
    """A message as the channel shows it now; `versions` are its earlier forms."""

    posted: Posted
    message: Message
    versions: list[Message] = field(default_factory=list)


@dataclass
class MemoryChat:
    """A Chat whose channel is a list. `down` is the reason why it does not answer, empty while it does."""

    down: str = ""
    shown: list[Shown] = field(default_factory=list)
    _clicked: Clicked | None = None
    _done: set[tuple[Posted, str, str, str]] = field(default_factory=set)

    async def start(self, clicked: Clicked) -> None:
        """Begin to hand clicks over."""
        self._answer()
        self._clicked = clicked

    async def post(self, channel: str, message: Message) -> Posted:
        """Show a new message."""
        self._answer()
        posted = Posted(channel, f"{len(self.shown) + 1}.0")
        self.shown.append(Shown(posted, message))
        return posted

    async def update(self, posted: Posted, message: Message) -> None:
        """Show another message in its place."""
        self._answer()
        shown = self._find(posted)
        shown.versions.append(shown.message)
        shown.message = message

    async def close(self) -> None:
        """Hand nothing over any more."""
        self._clicked = None

    async def click(self, posted: Posted, action: str, user: str, reason: str = "", *, once: str = "") -> str | None:
        """A person presses a button; the sentence they are told, None when nothing came of it.

        A button that is not shown is a ValueError; one that asks for a reason does nothing without it; the same
        `once` twice is a repetition by the network.
        """
        button = next((b for b in self._find(posted).message.buttons if b.action == action), None)
        if button is None:
            raise ValueError(f"{posted} shows no button {action}")
        again = (posted, action, user, once)
        if self._clicked is None or (button.asks_reason and not reason.strip()) or (once and again in self._done):
            return None
        self._done.add(again)
        return await self._clicked(Click(action, button.value, user, user, posted, reason.strip()))

    def _find(self, posted: Posted) -> Shown:
        found = next((shown for shown in self.shown if shown.posted == posted), None)
        if found is None:
            raise ChatUnavailable(f"there is no message {posted.ts} in {posted.channel}", "Post it first.")
        return found

    def _answer(self) -> None:
        if self.down:
            raise ChatUnavailable(f"The chat did not answer: {self.down}", "Clear `down`.")
