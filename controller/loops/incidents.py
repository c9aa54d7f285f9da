"""The incidents loop: observe, detect, diagnose, decide, act, learn, for one workload at a time.

Level, not edge: each pass reads the world and the log and does what stands, whatever woke it. Everything that it does
is an event first, so a crash anywhere is continued by the next pass. Acts only through `decide()` and the executor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from controller.core import pending as commands
from controller.core.incident import Incident
from controller.core.pending import Command, pending
from controller.loops import asking
from controller.loops.correlate import correlate
from controller.loops.propose import consider
from controller.loops.verifying import verified
from controller.observe.consent import Consent
from controller.observe.rooms import Rooms
from controller.observe.sight import Seen
from controller.runtime.executor import Executor
from controller.runtime.reconcile import Result
from detectors.series import Workload
from runbooks.schema import Runbook


@dataclass(frozen=True, slots=True)
class Incidents:
    """The loop, with what it needs."""

    rooms: Rooms
    executor: Executor

    async def reconcile(self, workload: Workload) -> Result:
        """One pass over one workload."""
        await self.rooms.journal.catch_up()
        seen = self.rooms.sight.look(workload, self.rooms.clock.now())
        consent = self.rooms.consents.of(workload, seen.labels)
        known = self.rooms.history.open.get(workload.key)
        over = [one for one in self.rooms.history.unfinished.get(workload.key, ()) if one.incident != known]
        for one in over:
            await self.rooms.passes.over("undo", workload, self.finish(one.incident, seen, consent))
        incident = await self.rooms.journal.load(known) if known is not None else None
        incident = await correlate(self.rooms, incident, seen)
        busy = bool(over)
        if incident is not None:
            incident = await consider(self.rooms, self.executor, incident, seen, consent)
            incident, worked = await self.work(incident, seen, consent)
            busy |= worked or (incident.question is not None and incident.question.open)
        settings = self.rooms.settings
        return Result(settings.duration(settings.acting_round_seconds if busy else settings.round_seconds))

    async def finish(self, name: str, seen: Seen, consent: Consent) -> None:
        """Take back what a person wants taken back of an incident that is over."""
        incident = await self.rooms.journal.load(name)
        if incident is not None:
            await self.work(incident, seen, consent)

    async def work(self, incident: Incident, seen: Seen, consent: Consent) -> tuple[Incident, bool]:
        """Carry out every command that stands; the incident after them, and whether there was any."""
        todo = pending(incident, self.rooms.clock.now())
        for command in todo:
            incident = await self.carry_out(command, incident, seen, consent)
        return incident, bool(todo)

    async def carry_out(self, command: Command, incident: Incident, seen: Seen, consent: Consent) -> Incident:
        """One command, by whoever does that."""
        policy, runbook = consent.policy, self.runbook(incident)
        match command:
            case commands.Settle():
                return await self.executor.settle(incident, seen, policy)
            case commands.Apply():
                return await self.executor.apply(incident, seen, policy)
            case commands.Revert(_, by):
                return await self.executor.revert(incident, by, seen, policy)
            case commands.Verify():
                return await verified(self.rooms, incident, seen, runbook)
            case commands.Ask():
                return await asking.ask(self.rooms, incident, command, policy, runbook)
            case commands.Expire():
                return await asking.expire(self.rooms, incident, command)
            case commands.Escalate():
                return await asking.escalate(self.rooms, incident, command)
            case commands.Page():
                return await asking.page(self.rooms, incident, command, runbook)
            case _:
                assert_never(command)

    def runbook(self, incident: Incident) -> Runbook | None:
        """The runbook of the current proposal or action, as it stands now."""
        current = incident.action if incident.verifying else incident.proposal
        name = current.runbook.partition("@")[0] if current is not None else ""
        found = (runbook for runbook in self.rooms.consents.runbooks(incident.workload) if runbook.name == name)
        return next(found, None)
