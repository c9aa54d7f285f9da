"""The program as the page sees it: `controller.web.backend.Backend` over one replica.

Promises that the page takes no short cut: answers and undos go through the one door, pauses through the kill switch,
each with the rights of the person who asks. Any replica can serve it, the log being shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import generate_latest

from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE, REMEDIATION
from controller.core.alerts import Alert
from controller.core.budget import Spent, charges
from controller.core.events import Noted, Verdict, Via
from controller.core.incident import Incident, fold
from controller.core.message import Background
from controller.core.report import Report
from controller.core.report_parts import Deed
from controller.errors import TrimtabError
from controller.journal import stream_of
from controller.ports import Person, Stored
from controller.program import Program
from controller.runtime.answers import Reply
from controller.runtime.pausing import pause, resume
from controller.serving.measures import Measures
from controller.serving.services import service_of, would_have
from controller.web.backend import Check, Detail, Head, Paused, Right, Service
from detectors.results import Forecast
from detectors.series import Workload

FOLLOW = 1.0
"""Seconds between two looks at whether the log grew."""
STORE_ANSWERS = 2.0


@dataclass(frozen=True, slots=True)
class ProgramBackend:
    """One replica's answers to the page. `stopping` is set when the program stops."""

    program: Program
    stopping: asyncio.Event
    measures: Measures = field(default_factory=Measures)

    async def recent(self, limit: int, skip: int = 0) -> tuple[tuple[Stored, ...], ...]:
        """The newest incidents first."""
        store = self.program.parts.store
        names = tuple(reversed(await store.streams("incident:")))[skip : skip + limit]
        return tuple((await store.together(names)).values())

    async def incident(self, id: str) -> tuple[Stored, ...]:
        """One incident's events."""
        return await self.program.parts.store.read(stream_of(id))

    async def asking(self) -> tuple[tuple[Stored, ...], ...]:
        """Open questions, the one that expires first in front."""
        store, history = self.program.parts.store, self.program.history
        found = []
        for name, stored in (await store.together([stream_of(name) for name in set(history.open.values())])).items():
            incident = fold((item.number, item.event) for item in stored)
            if incident is not None and incident.question is not None and incident.question.open:
                found.append((incident.question.expires, name, stored))
        return tuple(stored for _, _, stored in sorted(found, key=lambda entry: entry[:2]))

    async def background(self, incident: Incident) -> Background:
        """Record, policy and budgets."""
        program = self.program
        policy = program.consents.of(incident.workload, program.sight.labels(incident.workload)).policy
        scopes = [(charge.scope, charge.window) for charge in charges(incident.workload, policy.budgets)]
        spent = Spent(await program.parts.store.spent(scopes, program.parts.clock.now()))
        return Background(program.history, policy, spent)

    async def services(self) -> tuple[Service, ...]:
        """Every watched workload."""
        workloads = sorted(self.program.cache.workloads(), key=lambda workload: workload.key)
        return tuple(service_of(self.program, workload) for workload in workloads)

    async def service(self, workload: Workload) -> Detail | None:
        """One of them."""
        if workload not in self.program.cache.workloads():
            return None
        program = self.program
        would = would_have(program.history, program.parts.clock.now())
        known = program.demand.of(workload) if program.demand is not None else None
        return Detail(
            service=service_of(program, workload),
            measured=program.demand.series(workload) if program.demand is not None else None,
            expected=known.forecast if known is not None and isinstance(known.forecast, Forecast) else None,
            would=would.get(workload, ()),
        )

    async def would(self) -> tuple[Deed, ...]:
        """What would have been done, newest first."""
        found = would_have(self.program.history, self.program.parts.clock.now())
        return tuple(sorted((deed for deeds in found.values() for deed in deeds), key=_newest_first))

    async def head(self) -> Head:
        """How the program itself stands."""
        program, store = self.program, self.program.parts.store
        found = await store.identity()
        notes = [item.event for item in await store.read("program", newest=1) if isinstance(item.event, Noted)]
        labels = [label for group in program.history.judged.values() for label in group]
        return Head(
            replica=program.identity,
            leads=program.leadership.epoch is not None,
            note=notes[-1].text if notes else "",
            since=notes[-1].at if notes else None,
            events=found.sequence,
            epoch=found.epoch,
            right=sum(label.good for label in labels),
            labelled=len(labels),
        )

    async def report(self, lasting: timedelta) -> Report:
        """The report on the stretch that ends now."""
        return await self.program.publisher.weekly.made(self.program.parts.clock.now(), lasting)

    async def answer(self, incident: str, digest: str, verdict: Verdict, person: Person, reason: str) -> Reply:
        """A person's word through the one door."""
        now, access = self.program.parts.clock.now(), self.program.parts.access
        return await self.program.door.answer(
            incident, digest, verdict, person, Via.PAGE, now, reason=reason, access=access
        )

    async def undo(self, incident: str, person: Person) -> Reply:
        """A person wants an action taken back."""
        now, access = self.program.parts.clock.now(), self.program.parts.access
        return await self.program.door.undo(incident, person, Via.PAGE, now, access=access)

    async def paused(self) -> Paused | None:
        """The kill switch as the API server has it now; unreadable counts as paused (S13)."""
        try:
            found = await self.program.parts.resources.list(AUTOMATION_PAUSE)
        except TrimtabError as error:
            return Paused(f"the kill switch cannot be read: {error.args[0]}", known=False)
        specs = [item.get("spec") or {} for item in found]
        if not specs:
            return None
        wide = next((spec for spec in specs if not spec.get("namespaces")), specs[0])
        where = ", ".join(wide.get("namespaces") or ())
        reason = str(wide.get("reason") or "no reason given")
        return Paused(f"{reason} (only in {where})" if where else reason, str(wide.get("by") or ""))

    async def pause(self, person: Person, reason: str) -> Reply:
        """Stop all automation."""
        parts = self.program.parts
        if not await parts.access.may(person, "create", AUTOMATION_PAUSE, None):
            return Reply(False, f"{person.name} has no right to create an AutomationPause.")
        return Reply(True, await pause(parts.resources, parts.access, person, reason))

    async def resume(self, person: Person) -> Reply:
        """Let automation go on."""
        parts = self.program.parts
        if not await parts.access.may(person, "delete", AUTOMATION_PAUSE, None):
            return Reply(False, f"{person.name} has no right to delete an AutomationPause.")
        return Reply(True, await resume(parts.resources, parts.access, person))

    async def person_of(self, token: str) -> Person | None:
        """The person behind a Kubernetes token."""
        return await self.program.parts.access.who(token)

    async def may(self, person: Person, right: Right, namespace: str | None) -> bool:
        """SubjectAccessReview for that person."""
        kind = AUTOMATION_PAUSE if right is Right.PAUSE else REMEDIATION
        return await self.program.parts.access.may(person, right.value, kind, namespace)

    async def changes(self) -> AsyncIterator[int]:
        """The log's sequence whenever it grew; ends when the program stops."""
        last = -1
        while not self.stopping.is_set():
            try:
                sequence = (await self.program.parts.store.identity()).sequence
            except TrimtabError:
                sequence = last
            if sequence != last:
                last = sequence
                yield sequence
            try:
                await asyncio.wait_for(self.stopping.wait(), FOLLOW)
            except TimeoutError:
                continue

    async def readiness(self) -> tuple[Check, ...]:
        """Watches, event loop and store."""
        program = self.program
        return (
            Check("watches", not program.cache.trouble, program.cache.trouble),
            Check("event loop", not program.pulse.too_late, f"late by {program.pulse.seconds:.1f} s"),
            await self._store(),
        )

    async def _store(self) -> Check:
        try:
            async with asyncio.timeout(STORE_ANSWERS):
                await self.program.parts.store.identity()
        except TimeoutError:
            return Check("store", False, f"no answer within {STORE_ANSWERS:g} s")
        except TrimtabError as error:
            return Check("store", False, str(error.args[0]))
        return Check("store", True)

    async def metrics(self) -> bytes:
        """The program's own metrics."""
        self.measures.take(self.program)
        return generate_latest()

    async def alerts(self, alerts: tuple[Alert, ...]) -> None:
        """Take in what Alertmanager says."""
        self.program.alerted(alerts)


def _newest_first(deed: Deed) -> tuple[float, str]:
    return -deed.at.timestamp(), deed.workload.key
