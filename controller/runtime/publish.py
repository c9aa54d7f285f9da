"""Publishing: the log's newest state on every surface, from the outbox.

Promises that what is to be told was committed with the event that causes it, that telling is repeated until it is
taken, and that one incident is one chat message, updated in place. A crash between posting and noting where can post
a message twice: chats have no other key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from controller.api.v1alpha1.kinds import REMEDIATION
from controller.core.budget import Spent, charges
from controller.core.events import (
    Applied,
    Decided,
    Event,
    Expired,
    HandedOver,
    NotApplied,
    Noted,
    Proposed,
    Superseded,
    Undone,
    Verified,
)
from controller.core.headline import headline
from controller.core.incident import Incident, fold
from controller.core.message import Background, message, summary
from controller.core.routes import Route
from controller.core.timeline import row_of
from controller.errors import ChatUnavailable, KindUnknown, MessageGone, TrimtabError
from controller.journal import stream_of
from controller.observe.rooms import Rooms
from controller.ports import Chat, Notice, Notify, OutboxRow, Posted, Stored
from controller.runtime import shown
from controller.runtime.weekly import KIND as REPORT
from controller.runtime.weekly import Weekly

log = structlog.get_logger(__name__)

STORE = "store"
"""Outbox rows about the store itself."""
LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(slots=True)
class Publisher:
    """Delivers outbox rows; run by the leader only. `chat` and `notifiers` may be missing, the cluster never is."""

    rooms: Rooms
    chat: Chat | None = None
    channel: str = ""
    notifiers: tuple[Notify, ...] = ()
    link: str = ""
    missing_kinds: set[str] = field(default_factory=set)

    @property
    def weekly(self) -> Weekly:
        """The weekly report, told where questions are asked."""
        return Weekly(self.rooms, self.chat, self.channel, self.link)

    async def deliver(self) -> None:
        """Everything that is due, once."""
        store, now = self.rooms.journal.store, self.rooms.clock.now()
        for row in await store.due(now):
            if self.rooms.journal.epoch() is None:
                return
            try:
                await self._tell(row)
            except TrimtabError as error:
                log.warning("not delivered", kind=row.kind, key=row.key, error=str(error), attempts=row.attempts)
            except Exception:
                log.exception("telling broke", kind=row.kind, key=row.key)
            else:
                await store.delivered(row.id, self.rooms.clock.now())
                continue
            pause = min(LONGEST_PAUSE, timedelta(seconds=2 ** min(row.attempts, 9)))
            await store.postpone(row.id, now + pause)

    async def _tell(self, row: OutboxRow) -> None:
        if row.kind == REPORT:
            await self.weekly.tell(datetime.fromisoformat(row.body["end"]))
            return
        if row.kind in ("event", "floor"):
            await self._event(row)
            return
        if row.kind == STORE:
            await self._page(store_notice(row, self.link))
            return
        incident = row.body.get("incident", row.key)
        stored = await self.rooms.journal.store.read(stream_of(str(incident)))
        folded = fold((item.number, item.event) for item in stored)
        if folded is None:
            return
        if row.kind == "page":
            await self._page(self._notice(folded, stored, row))
            return
        events = tuple(item.event for item in stored)
        problems: list[TrimtabError] = []
        works: tuple[Callable[[], Awaitable[None]], ...] = (
            partial(self._objects, folded, events),
            partial(self._events, folded, stored),
            partial(self._chat, folded, stored),
        )
        for work in works:
            try:
                await work()
            except TrimtabError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    async def _event(self, row: OutboxRow) -> None:
        """A Kubernetes Event told as it stands: what became of a floor, what an undo waits for."""
        about, note = row.body, str(row.body["note"])[:1000]
        regarding = {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "metadata": {"name": about["name"], "namespace": about["namespace"]},
        }
        await self.rooms.resources.record(regarding, str(about["reason"]), note, bool(about["warning"]), "trimtab")

    async def _objects(self, incident: Incident, events: Sequence[Event]) -> None:
        """One Remediation per plan and question, created once decided and kept up to date."""
        for proposed in shown.plans(events):
            decided = any(isinstance(e, Decided) and e.digest == proposed.plan.digest for e in events)
            asking = (
                incident.decision is not None
                and incident.decision.route is Route.ASK
                and (incident.question is None or incident.question.digest != incident.decision.digest)
            )
            if not decided or asking:
                continue
            try:
                await self._object(incident, proposed, events)
            except KindUnknown as missing:
                if "Remediation" not in self.missing_kinds:
                    self.missing_kinds.add("Remediation")
                    log.warning("remediations cannot be shown", error=str(missing))

    async def _object(self, incident: Incident, proposed: Proposed, events: Sequence[Event]) -> None:
        resources, namespace = self.rooms.resources, incident.workload.namespace
        for until in shown.rounds(proposed, events):
            anew = until is not events
            name = shown.name_of(incident.id, proposed, until)
            there = await resources.get(REMEDIATION, namespace, name)
            if there is None and anew:
                continue
            if there is None:
                wanted = shown.manifest(incident, proposed, until)
                there = await resources.create(REMEDIATION, wanted) or wanted
            generation = int(there["metadata"].get("generation") or 0)
            status = shown.status(incident, proposed, until, generation, anew=anew)
            if there.get("status") != status:
                await resources.patch_status(REMEDIATION, namespace, name, status)

    async def _events(self, incident: Incident, stored: Sequence[Stored]) -> None:
        """A Kubernetes Event for each turn that people should be able to find with kubectl (S33)."""
        last = await self._noted(incident, "told")
        events = [item.event for item in stored]
        done = int(last or 0)
        for index, item in enumerate(stored):
            if item.number <= done:
                continue
            reason = reason_of(item.event)
            row = row_of(item.event, events, index)
            if reason is not None and row is not None:
                workload = incident.workload
                regarding = {
                    "apiVersion": workload.api_version,
                    "kind": workload.kind,
                    "metadata": {"name": workload.name, "namespace": workload.namespace},
                }
                note = f"{incident.id}: {row.text}"[:1000]
                warning = reason in ("HandedOver", "NotApplied", "Expired", "Harmful", "Ineffective", "Inconclusive")
                await self.rooms.resources.record(regarding, reason, note, warning, "trimtab")
            done = item.number
        if str(done) != (last or ""):
            await self._note(incident, "told", str(done))

    async def _chat(self, incident: Incident, stored: Sequence[Stored]) -> None:
        """The one message, posted when a person is concerned, and updated in place from then on."""
        concerned = incident.question or incident.handed_over or incident.action
        if self.chat is None or not concerned:
            return
        policy = self.rooms.consents.of(incident.workload, self.rooms.sight.labels(incident.workload)).policy
        link = f"{self.link}/incidents/{incident.id}" if self.link else ""
        scopes = [(charge.scope, charge.window) for charge in charges(incident.workload, policy.budgets)]
        used = Spent(await self.rooms.journal.store.spent(scopes, self.rooms.clock.now()))
        background = Background(self.rooms.history, policy, used, link)
        text = message(((item.number, item.event) for item in stored), background)
        if text is None:
            return
        where = await self._noted(incident, "posted")
        if where:
            channel, ts = where.split(" ", 1)
            try:
                await self.chat.update(Posted(channel, ts), text)
            except MessageGone:
                log.info("message deleted, posting anew", incident=incident.id)
            else:
                return
        posted = await self.chat.post(self.channel, text)
        await self._note(incident, "posted", f"{posted.channel} {posted.ts}")

    def _notice(self, incident: Incident, stored: Sequence[Stored], row: OutboxRow) -> Notice:
        events = tuple(item.event for item in stored)
        return Notice(
            key=incident.id,
            summary=f"{incident.workload}: {headline(incident, events)}",
            severity=str(row.body.get("severity", "error")),
            source=incident.workload.key,
            details=details(incident, events, str(row.body.get("to", ""))),
            link=f"{self.link}/incidents/{incident.id}" if self.link else "",
            resolved=incident.closed is not None and incident.intent is None,
        )

    async def _page(self, notice: Notice) -> None:
        problems: list[TrimtabError] = []
        for notifier in self.notifiers:
            try:
                await notifier.send(notice)
            except TrimtabError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    async def _noted(self, incident: Incident, code: str) -> str:
        stored = await self.rooms.journal.store.read(f"shown:{incident.id}")
        found = [item.event.text for item in stored if isinstance(item.event, Noted) and item.event.code == code]
        return found[-1] if found else ""

    async def _note(self, incident: Incident, code: str, text: str) -> None:
        now = self.rooms.clock.now()
        if not await self.rooms.journal.note(f"shown:{incident.id}", Noted(now, code, text), now):
            told = f"{incident.id}: where its message stands was not noted"
            raise ChatUnavailable(told, "it is told again")


def store_notice(row: OutboxRow, link: str) -> Notice:
    """What pages somebody when the store is not the one that the Lease remembers, and when it is again (S37)."""
    told = str(row.body.get("distrusted", ""))
    summary = f"trimtab only observes: {told}" if told else "the store is trusted again: trimtab acts"
    remedy = {"remedy": "bring the old store back, or `trimtab store adopt`"} if told else {}
    return Notice("trimtab-store", summary, "critical", "trimtab", remedy, link, resolved=not told)


def details(incident: Incident, events: Sequence[Event], to: str) -> dict[str, str]:
    """What whoever is paged starts with: what is wrong, why, what changed, and why it comes to a person."""
    told = {name.lower(): text for name, text in summary(incident, events, Background())}
    return {**told, "reasons": "; ".join(incident.handed_over), "to": to}


def reason_of(event: Event) -> str | None:
    """The reason code of the Kubernetes Event that an event becomes; None for what only the timeline shows."""
    match event:
        case Decided(route=route):
            return f"Decided{route}"
        case Applied():
            return "Applied"
        case NotApplied():
            return "NotApplied"
        case Superseded():
            return "Superseded"
        case Expired():
            return "Expired"
        case Verified(outcome=outcome):
            return outcome.value
        case Undone():
            return "Undone"
        case HandedOver():
            return "HandedOver"
        case _:
            return None
