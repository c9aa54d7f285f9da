"""Whoever watches a demo: what they are shown, and what they may say."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from controller.core.events import Verdict
from controller.demo.result import Result
from controller.demo.settings import KEY_FILE, YOU
from controller.demo.stories import Morning
from controller.demo.telling import Line
from controller.ports import Message
from controller.runtime.answers import Reply
from controller.web.tickets import Tickets


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page is. `moved` says that the usual port was taken; `token` is the file of a token of its person."""

    url: str
    moved: bool
    tickets: Tickets
    token: Path = Path(KEY_FILE)

    def link(self, to: str = "/") -> str:
        """A link that logs the lab's person in, once."""
        return f"{self.url}/enter?ticket={self.tickets.issue(YOU)}&to={to}"

    def command(self) -> str:
        """What asks the running program from another terminal."""
        return f"trimtab status --url {self.url} --token-file {shlex.quote(str(self.token))}"


class Audience(Protocol):
    """Whoever watches."""

    def opens(self, place: Place, morning: Morning) -> None:
        """It begins."""
        ...

    def tells(self, line: Line) -> None:
        """Something happened."""
        ...

    def moves(self, now: datetime) -> None:
        """Time has passed."""
        ...

    def asks(self, question: Message, link: str) -> None:
        """A person has to answer."""
        ...

    def heard(self) -> Verdict | None:
        """What was answered since, if anything."""
        ...

    def replies(self, reply: Reply) -> None:
        """What the door said to it."""
        ...

    def answered(self) -> None:
        """The question is over, whoever answered it."""
        ...

    def ends(self, result: Result) -> None:
        """All stories are told."""
        ...

    def stays(self, place: Place) -> None:
        """The page is left up."""
        ...
