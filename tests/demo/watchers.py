"""Somebody who watches, for tests to take from what they need."""

from __future__ import annotations

from datetime import datetime

from controller.core.events import Verdict
from controller.demo.audience import Place
from controller.demo.result import Result
from controller.demo.stories import Morning
from controller.demo.telling import Line
from controller.ports import Message
from controller.runtime.answers import Reply


class Watcher:
    """An audience that looks on in silence."""

    def opens(self, place: Place, morning: Morning) -> None: ...

    def tells(self, line: Line) -> None: ...

    def moves(self, now: datetime) -> None: ...

    def asks(self, question: Message, link: str) -> None: ...

    def heard(self) -> Verdict | None:
        return None

    def replies(self, reply: Reply) -> None: ...

    def answered(self) -> None: ...

    def ends(self, result: Result) -> None: ...

    def stays(self, place: Place) -> None: ...
