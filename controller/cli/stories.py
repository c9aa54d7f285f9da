"""Reading: incidents, one incident told, its plan, its export. All from the store, beside the program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from controller.app import open_store
from controller.cli.exits import Exit
from controller.cli.screen import Ended, ExportAs, Format, Screen
from controller.cli.setup import in_pod
from controller.core.events import Noted
from controller.core.export import runbook_test
from controller.core.history import History
from controller.core.message import plan_text
from controller.core.timeline import Story, story
from controller.core.timeline_text import render_markdown, render_text
from controller.core.words import clean, count, fenced, lasting, markdown, moment
from controller.errors import StoreUnavailable
from controller.journal import stream_of
from controller.ports import Store, Stored
from controller.settings import Settings
from controller.web.badges import badge

BATCH = 100
"""Incidents read at once while looking for open ones."""
_NUMBER = re.compile(r"(?i)(?:inc-)?0*(\d{1,12})")


def named(text: str) -> str:
    """`INC-2041` for `INC-2041`, `inc-2041` and `2041`; anything else as it is."""
    found = _NUMBER.fullmatch(text.strip())
    return f"INC-{found[1]}" if found else text.strip()


class Reading:
    """The log, open for reading; the error says where it can be read when it is not here."""

    def __init__(self, settings: Settings, command: str) -> None:
        self._settings, self._command = settings, command

    async def __aenter__(self) -> Store:
        self._opened = open_store(self._settings, read_only=True)
        try:
            return await self._opened.__aenter__()
        except StoreUnavailable as error:
            where = f"run it where the log is: {in_pod(self._settings, self._command)}"
            raise StoreUnavailable(str(error.args[0]), where) from error

    async def __aexit__(self, *error: Any) -> None:
        await self._opened.__aexit__(*error)


async def stored_of(store: Store, incident: str) -> tuple[Stored, ...]:
    """The incident's events; raises Ended when there is none of that name."""
    found = await store.read(stream_of(named(incident)))
    if not found:
        raise Ended(f"there is no incident {clean(incident, 60)} → `trimtab incidents` lists them", Exit.NOT_FOUND)
    return found


def told_of(stored: Iterable[Stored]) -> Story | None:
    """The story of one incident's events."""
    return story((item.number, item.event) for item in stored)


async def explain(screen: Screen, settings: Settings, incident: str) -> Exit:
    """Everything that happened in one incident, and why."""
    async with Reading(settings, f"explain {incident}") as store:
        told = told_of(await stored_of(store, incident))
    if told is None:
        raise Ended(f"{incident} is no incident: its log does not begin with one", Exit.FAILED)
    match screen.format:
        case Format.JSON:
            screen.json(story_json(told))
        case Format.MARKDOWN:
            screen.text(render_markdown(told).rstrip("\n"))
        case Format.TEXT:
            screen.text(render_text(told, screen.width))
    return Exit.OK


async def plan(screen: Screen, settings: Settings, incident: str) -> Exit:
    """The exact plan of one incident."""
    async with Reading(settings, f"plan {incident}") as store:
        told = told_of(await stored_of(store, incident))
    if told is None or told.plan is None:
        raise Ended(f"{named(incident)} has no plan", Exit.NOT_FOUND)
    made = told.plan
    match screen.format:
        case Format.JSON:
            screen.json(
                {
                    "incident": told.id,
                    "digest": made.digest,
                    "remediation": made.remediation,
                    "workload": made.workload.key,
                    "change": list(made.change),
                    "diff": made.diff,
                    "not_restored": list(made.not_restored),
                    "irreversible": made.irreversible,
                    "pods": made.touches.pods,
                }
            )
        case Format.MARKDOWN:
            screen.text(f"### Plan {made.digest} of {markdown(told.id)}\n")
            screen.text(fenced(plan_text(told.incident)))
        case Format.TEXT:
            screen.text(plan_text(told.incident))
    return Exit.OK


async def incidents(screen: Screen, settings: Settings, limit: int, everything: bool) -> Exit:
    """The newest incidents, open ones by default."""
    async with Reading(settings, "incidents") as store:
        names = tuple(reversed(await store.streams("incident:")))
        found: list[Story] = []
        for batch in (names[begin : begin + BATCH] for begin in range(0, len(names), BATCH)):
            told = map(told_of, (await store.together(batch)).values())
            found += [one for one in told if one is not None and (everything or one.incident.closed is None)]
            if len(found) >= limit:
                break
        found = found[:limit]
    if screen.format is Format.JSON:
        screen.json({"incidents": [summary_json(told) for told in found]})
        return Exit.OK
    if not found:
        screen.text("no incident yet" if everything else "no open incident · all: trimtab incidents --all")
        return Exit.OK
    screen.table(("INCIDENT", "SINCE (UTC)", "WORKLOAD", "STANDING", "WHAT"), [_row(told) for told in found])
    if screen.format is Format.TEXT:
        screen.text(f"\nnext: trimtab explain {found[0].id}")
    return Exit.OK


def _row(told: Story) -> tuple[str, ...]:
    shown = badge(told.incident)
    since = moment(told.incident.opened_at)[:16]
    return told.id, since, str(told.incident.workload), f"{shown.shape} {shown.word}", told.headline


async def export(screen: Screen, settings: Settings, incident: str, form: ExportAs) -> Exit:
    """One incident as a runbook test, or as Markdown for a post-mortem."""
    async with Reading(settings, f"incidents export {incident}") as store:
        stored = await stored_of(store, incident)
    told = told_of(stored)
    if told is None:
        raise Ended(f"{incident} is no incident: its log does not begin with one", Exit.FAILED)
    match form:
        case ExportAs.MARKDOWN:
            screen.text(render_markdown(told).rstrip("\n"))
        case ExportAs.RUNBOOK_TEST:
            screen.text(runbook_test(told.id, tuple(item.event for item in stored)).rstrip("\n"))
            screen.note("put it under spec.tests of the runbook, then: trimtab runbook test FILE")
    return Exit.OK


async def from_log(screen: Screen, store: Store, now: datetime) -> None:
    """What is open, what waits for an answer, who leads: as far as the log says."""
    history = History()
    identity = await store.identity()
    while page := await store.follow(history.sequence):
        for item in page:
            history.add(item.sequence, item.stream, item.event)
    notes = [item for item in await store.read("program", newest=1) if isinstance(item.event, Noted)]
    stories = [story(enumerate(events, start=1)) for events in history.streams.values()]
    found = [told for told in stories if told is not None and told.incident.closed is None]
    questions = [told for told in found if told.incident.question is not None and told.incident.question.open]
    labels = [label for group in history.judged.values() for label in group]
    note = notes[-1].event if notes else None
    standing = f"{note.text} ({lasting(now - note.at)} ago)" if isinstance(note, Noted) else "nobody has led yet"
    if screen.format is Format.JSON:
        screen.json(
            {
                "open": [summary_json(told) for told in found],
                "questions": [told.id for told in questions],
                "incidents": len([name for name in history.streams if name.startswith("incident:")]),
                "verified": len(labels),
                "good": sum(label.good for label in labels),
                "last_note": {"code": note.code, "text": note.text, "at": note.at} if isinstance(note, Noted) else None,
                "store": {"id": identity.id, "events": identity.sequence, "epoch": identity.epoch},
            }
        )
        return
    lines = (
        ("leader", standing),
        (
            "log",
            f"{count(identity.sequence, 'event')}, {count(len(history.streams), 'incident')}, epoch {identity.epoch}",
        ),
        ("record", f"{sum(label.good for label in labels)} of {count(len(labels), 'labelled action')} right"),
        ("open", f"{count(len(found), 'incident')}, {len(questions)} waiting for an answer"),
    )
    for name, text in lines:
        if screen.format is Format.MARKDOWN:
            screen.text(f"- **{name}**: {markdown(clean(text))}")
        else:
            screen.text(f"{name:<8}{text}")
    if found:
        screen.text()
        screen.table(("INCIDENT", "SINCE (UTC)", "WORKLOAD", "STANDING", "WHAT"), [_row(told) for told in found])
    if screen.format is Format.TEXT:
        first = (questions or found)[0].id if found else ""
        screen.text(f"\nnext: {f'trimtab explain {first}' if first else 'trimtab doctor'}")


def summary_json(told: Story) -> dict[str, Any]:
    """An incident with its answer line; the page's JSON has the same names."""
    incident = told.incident
    question = incident.question
    return {
        "id": told.id,
        "namespace": incident.workload.namespace,
        "kind": incident.workload.kind,
        "name": incident.workload.name,
        "opened_at": incident.opened_at.isoformat(),
        "standing": badge(incident).word,
        "headline": told.headline,
        "digest": question.digest if question is not None and question.open else None,
    }


def story_json(told: Story) -> Mapping[str, Any]:
    """An incident with its whole story."""
    rows = [
        {
            "at": row.at.isoformat(),
            "word": row.word,
            "text": row.text,
            "why": row.why,
            "details": list(row.details),
        }
        for row in told.rows
    ]
    return {**summary_json(told), "rows": rows, "next": list(told.next)}
