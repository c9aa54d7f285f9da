"""What people press in the chat: an answer to a question, a look at a plan, the pause.

Promises that whoever presses is told what became of it, that nobody unknown gets through the door, and that any
replica takes a click, whoever leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from controller.core.events import Verdict, Via
from controller.core.message import Press, parse_value, plan_text
from controller.errors import TrimtabError
from controller.journal import Journal
from controller.ports import Access, Click, Clock, Person, Resources
from controller.runtime.answers import Door
from controller.runtime.pausing import pause

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Clicks:
    """Takes clicks. `people` are the usernames by their id in the chat."""

    people: Mapping[str, str]
    door: Door
    journal: Journal
    resources: Resources
    access: Access
    clock: Clock

    async def __call__(self, click: Click) -> str:
        """Take one in; the sentence for whoever pressed, also when it did not get through."""
        try:
            return await self._taken(click)
        except TrimtabError as error:
            log.warning("click not taken in", action=click.action, error=str(error))
            return f"That did not get through, try again in a moment: {error.args[0]}"

    async def _taken(self, click: Click) -> str:
        name = self.people.get(click.user_id)
        parsed = parse_value(click.value)
        if name is None or parsed is None:
            return "You are not known here: an administrator maps your Slack id to your username (people.slack)."
        person, (incident, digest) = Person(name), parsed
        match click.action:
            case Press.APPROVE | Press.REJECT:
                verdict = Verdict.APPROVE if click.action == Press.APPROVE else Verdict.REJECT
                now = self.clock.now()
                reply = await self.door.answer(
                    incident, digest, verdict, person, Via.SLACK, now, reason=click.reason, access=self.access
                )
                return reply.sentence
            case Press.PLAN:
                loaded = await self.journal.load(incident)
                return plan_text(loaded) if loaded is not None else f"There is no incident {incident}."
            case Press.PAUSE:
                return await pause(self.resources, self.access, person, f"paused in Slack at {incident}")
            case _:
                return "That button means nothing (any more)."
