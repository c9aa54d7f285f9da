"""Who answers the lab's questions: always its person, always through the door.

Promises that nothing here answers on a real cluster: the lab is where approving everything harms nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.events import Verdict, Via
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

    async def answer(self, incident: str, digest: str, verdict: Verdict) -> Reply:
        """Say yes or no to the plan of this digest; whether that still counts is the door's to say."""
        reason, parts = REASON if verdict is Verdict.REJECT else "", self.program.parts
        return await self.program.door.answer(
            incident, digest, verdict, YOU, Via.CLI, parts.clock.now(), reason=reason, access=parts.access
        )
