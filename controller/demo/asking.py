"""Who answers the lab's questions: always its person, always through the door.

Promises that nothing here answers on a real cluster: the lab is where approving everything harms nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.events import Verdict, Via
from controller.core.incident import Question
from controller.demo.playing import only_in_the_lab
from controller.demo.settings import YOU
from controller.program import Program
from controller.runtime.answers import Reply

REASON = "said no in the demo's terminal"


@dataclass(frozen=True, slots=True)
class Answering:
    """The lab's person at the door. Raises Denied on anything but a lab."""

    program: Program

    def __post_init__(self) -> None:
        only_in_the_lab(self.program)

    async def question(self, incident: str) -> Question | None:
        """The open question of an incident."""
        loaded = await self.program.journal.load(incident)
        question = loaded.question if loaded is not None else None
        return question if question is not None and question.open else None

    async def answer(self, incident: str, verdict: Verdict) -> Reply | None:
        """Say yes or no to what is asked now; None when nothing is."""
        question, parts = await self.question(incident), self.program.parts
        if question is None:
            return None
        reason = REASON if verdict is Verdict.REJECT else ""
        return await self.program.door.answer(
            incident, question.digest, verdict, YOU, Via.CLI, parts.clock.now(), reason=reason, access=parts.access
        )
