"""Correlation: what is seen of one workload becomes one incident, whatever it was seen by.

Promises one open incident a workload, however many alerts and states speak of it (S10), and that an incident ends
only after its symptoms have been away for a while on healthy data, with nothing under way.
"""

from __future__ import annotations

import structlog

from controller.core.events import Changed, Closed, Diagnosed, Event, Observed, Opened, RevisionHealthy, Superseded
from controller.core.incident import Incident
from controller.core.observe import plain
from controller.core.policy import CanaryMode
from controller.loops.asking import resolved
from controller.observe.rooms import Rooms
from controller.observe.sight import Seen
from controller.runtime.executor import open_key
from remediations.plan import Outcome
from remediations.templates import digest

log = structlog.get_logger(__name__)

MAY_GO_BACK = frozenset({CanaryMode.ROLLBACK, CanaryMode.RAMP})
"""Modes of the rollouts loop that consent to a rollback, whatever the incidents loop may do."""


async def correlate(rooms: Rooms, incident: Incident | None, seen: Seen) -> Incident | None:
    """The workload's incident after this look: opened, brought up to date, or closed; None when all is well."""
    await remember(rooms, seen)
    if incident is None:
        return await opened(rooms, seen) if seen.symptoms else None
    if incident.closed is not None or incident.intent is not None:
        return incident
    if seen.world is None and seen.known_gone:
        return await closed(rooms, incident, "the workload is gone")
    return await updated(rooms, incident, seen)


async def opened(rooms: Rooms, seen: Seen) -> Incident:
    """Begin an incident with everything that is known at once."""
    now = rooms.clock.now()
    number = await rooms.journal.store.next_number("incident")
    policy = rooms.consents.of(seen.workload, seen.labels).policy
    judged = seen.rollout is not None and seen.rollout.rolled_back and policy.canary in MAY_GO_BACK
    first = Opened(
        at=now,
        incident=f"INC-{number}",
        workload=seen.workload,
        symptoms=seen.symptoms,
        evidence=plain(seen.evidence),
        data=str(seen.data),
        observe_only=policy.mode is policy.mode.OBSERVE and not judged,
        template=digest(seen.world.object["spec"]["template"]) if seen.world is not None else "",
    )
    changes = [Changed(change.at, "rollout", change.text) for change in seen.changes]
    incident = await rooms.journal.open(first, now, *changes, Diagnosed(now, seen.causes))
    await rooms.journal.catch_up()
    return incident


async def updated(rooms: Rooms, incident: Incident, seen: Seen) -> Incident:
    """Record what changed; close when the trouble has stayed away, or at once what a crash kept open after success."""
    if incident.action is not None and incident.action.outcome is Outcome.EFFECTIVE:
        return await closed(rooms, incident, "effective")
    now, events = rooms.clock.now(), list[Event]()
    codes = {symptom.code for symptom in seen.symptoms}
    if codes != {symptom.code for symptom in incident.symptoms} or str(seen.data) != incident.data:
        events.append(Observed(now, seen.symptoms, plain(seen.evidence), str(seen.data)))
    if seen.causes and [cause.name for cause in seen.causes[:1]] != [cause.name for cause in incident.causes[:1]]:
        events.append(Diagnosed(now, seen.causes))
    if events:
        incident = await rooms.journal.record(incident, events, now)
    quiet = not seen.symptoms and seen.data.healthy and not incident.verifying and not incident.to_undo
    if quiet and incident.symptoms_since is not None:
        away = now - incident.symptoms_since
        if away >= rooms.settings.duration(rooms.settings.clear_after_seconds):
            return await closed(rooms, incident, "the symptoms went away")
    return incident


async def closed(rooms: Rooms, incident: Incident, reason: str) -> Incident:
    """End the incident; a plan still open is superseded."""
    now, proposal = rooms.clock.now(), incident.proposal
    over: list[Event] = [Superseded(now, proposal.plan.digest, reason)] if proposal is not None else []
    return await rooms.journal.record(
        incident, (*over, Closed(now, reason)), now, release=(open_key(incident),), outbox=resolved(incident)
    )


async def remember(rooms: Rooms, seen: Seen) -> None:
    """Keep the version that has been healthy for long enough: where a rollback may return to."""
    revision = seen.healthy
    if revision is None or rooms.history.healthy_known(seen.workload, revision):
        return
    now = rooms.clock.now()
    if await rooms.journal.note(f"workload:{seen.workload.key}", RevisionHealthy(now, revision), now):
        log.info("version known healthy", workload=seen.workload.key, revision=revision.name)
        await rooms.journal.catch_up()
