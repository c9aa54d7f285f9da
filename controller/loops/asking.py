"""Asking people: putting a question, letting it expire, taking it further, handing over.

Promises that a question names who may answer and when it ends, and that nobody being allowed to answer is said, not
waited out.
"""

from __future__ import annotations

from controller.chart import named
from controller.core.events import Asked, Escalated, Expired, HandedOver
from controller.core.incident import Incident
from controller.core.pending import Ask, Escalate, Expire, Page
from controller.core.policy import Policy
from controller.observe.rooms import Rooms
from controller.ports import OutboxRow
from runbooks.schema import Runbook


async def ask(rooms: Rooms, incident: Incident, command: Ask, policy: Policy, runbook: Runbook | None) -> Incident:
    """Open the question."""
    now = rooms.clock.now()
    if not policy.approvers and incident.handed_over:
        return incident
    if not policy.approvers:
        nobody = f"nobody may answer: name approvers ({named('people.approvers')}); a policy only narrows that list"
        return await page(rooms, incident, Page((nobody,)), runbook)
    lasts = min(policy.expires_after, runbook.spec.expires) if runbook is not None else policy.expires_after
    path = tuple((now + step.after, step.to) for step in runbook.spec.escalate) if runbook is not None else ()
    asked = Asked(now, command.digest, now + lasts, tuple(sorted(policy.approvers)), path)
    return await rooms.journal.record(incident, (asked,), now)


async def expire(rooms: Rooms, incident: Incident, command: Expire) -> Incident:
    """Close the question unanswered."""
    now = rooms.clock.now()
    return await rooms.journal.record(incident, (Expired(now, command.digest),), now)


async def escalate(rooms: Rooms, incident: Incident, command: Escalate) -> Incident:
    """Tell the next on the path."""
    now = rooms.clock.now()
    told = OutboxRow("page", f"{incident.id}:{command.to}", {"incident": incident.id, "to": command.to})
    return await rooms.journal.record(incident, (Escalated(now, command.digest, command.to),), now, outbox=(told,))


def resolved(incident: Incident) -> tuple[OutboxRow, ...]:
    """What tells the pager that an incident is over which somebody was paged for."""
    return (OutboxRow("page", incident.id, {"incident": incident.id}),) if incident.paged else ()


async def page(rooms: Rooms, incident: Incident, command: Page, runbook: Runbook | None) -> Incident:
    """Hand the incident to a person."""
    now = rooms.clock.now()
    severity = runbook.spec.severity if runbook is not None else "error"
    told = OutboxRow("page", incident.id, {"incident": incident.id, "severity": severity})
    return await rooms.journal.record(incident, (HandedOver(now, command.reasons),), now, outbox=(told,))
