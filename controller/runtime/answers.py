"""The one door for answers: kubectl, CLI, Slack and the page all end here.

Promises that only an authenticated, allowed person's first answer to exactly this plan counts, that it is one atomic
write which any replica may make, and that whoever comes second is told who decided (S19, S20).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from controller.api.v1alpha1.kinds import REMEDIATION
from controller.core.accept import accept
from controller.core.events import Answered, Ignored, UndoAsked, Verdict, Via
from controller.core.incident import Incident
from controller.errors import TrimtabError
from controller.journal import Behind, Journal
from controller.ports import Access, Person
from controller.runtime.shown import name_after

log = structlog.get_logger(__name__)

ATTEMPTS = 5
"""How often two writers of one incident step aside for each other before one is told to try again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person is told, and whether their answer counted. `again`: nothing was recorded, try once more."""

    counted: bool
    sentence: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """Takes answers. `approvers` are those of the incident's policy as it stands now. `access` None: the caller has
    proved the right already (the admission policy, for kubectl).
    """

    journal: Journal
    approvers: Callable[[Incident], frozenset[str]]

    async def answer(
        self,
        incident: str,
        digest: str,
        verdict: Verdict,
        person: Person,
        via: Via,
        now: datetime,
        *,
        reason: str = "",
        written_in: str = "",
        access: Access | None = None,
    ) -> Reply:
        """Record one answer, or say why it does not count. `written_in` is the Remediation that it stands in, where it
        does: the same plan asked about again is another question, and another Remediation.
        """
        if verdict is Verdict.REJECT and not reason.strip():
            return Reply(False, "A rejection needs a reason: it is what the runbook learns from.")
        loaded = await self.journal.load(incident) if written_in else None
        if loaded is not None and written_in != name_after(incident, digest, loaded.asked.get(digest, 0)):
            return Reply(False, "That question is over, and was asked anew.")
        event = Answered(now, digest, verdict, person.name, via, reason.strip()[:1000])
        return await self._enter(incident, event, person, access, now)

    async def undo(
        self,
        incident: str,
        person: Person,
        via: Via,
        now: datetime,
        *,
        digest: str = "",
        access: Access | None = None,
    ) -> Reply:
        """Ask for an action to be taken back: the one of this plan, or the newest when none is named."""
        loaded = await self.journal.load(incident)
        if loaded is None or loaded.action is None:
            return Reply(False, f"{incident} has no action that could be undone.")
        event = UndoAsked(now, digest or loaded.action.plan.digest, person.name, via)
        return await self._enter(incident, event, person, access, now)

    async def _enter(
        self, incident: str, event: Answered | UndoAsked, person: Person, access: Access | None, now: datetime
    ) -> Reply:
        for _ in range(ATTEMPTS):
            loaded = await self.journal.load(incident)
            if loaded is None:
                return Reply(False, f"There is no incident {incident}.")
            try:
                refusal = await self._refusal(loaded, event, person, access)
            except TrimtabError as error:
                log.warning("right to answer not known", incident=incident, by=person.name, error=str(error))
                told = "The API server could not be asked whether you may. Nothing was recorded: try again."
                return Reply(False, told, again=True)
            try:
                if refusal is not None:
                    ignored = Ignored(now, event.kind, refusal, person.name, event.digest)
                    await self.journal.record(loaded, (ignored,), now, any_replica=True)
                    return Reply(False, f"That does not count: {refusal}.")
                await self.journal.record(loaded, (event,), now, any_replica=True)
            except Behind:
                continue
            log.info("answer taken", incident=incident, by=person.name, via=event.via, what=event.kind)
            return Reply(True, thanks(event))
        return Reply(False, "Too many answers at once: look at the incident and try again.", again=True)

    async def _refusal(
        self, incident: Incident, event: Answered | UndoAsked, person: Person, access: Access | None
    ) -> str | None:
        """Why it does not count; raises TrimtabError when that cannot be known."""
        late = accept(incident, event)
        if late is not None:
            return late
        if person.name not in self.approvers(incident):
            return f"{person.name} is not among those who may answer here"
        namespace = incident.workload.namespace
        may = access is None or await access.may(person, "approve", REMEDIATION, namespace)
        return None if may else f"{person.name} has no right to approve remediations in {namespace}"


def thanks(event: Answered | UndoAsked) -> str:
    """One sentence for whoever answered first."""
    match event:
        case UndoAsked():
            return "Taking it back."
        case Answered(verdict=Verdict.APPROVE):
            return "Approved: it is carried out now, if the plan still fits."
        case Answered():
            return "Rejected: nothing is done, and the runbook learns from it."
