"""`trimtab status`: every watched service at a glance, asked of the running program; `trimtab report`: the week.

Promises that a number which is not there is a dash with its reason below, that sixty columns and no colour are
enough, and that without the program the log still says what it knows, with another exit code.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from controller.cli.asking import Address, ask
from controller.cli.exits import Exit
from controller.cli.screen import Format, Screen
from controller.cli.stories import Reading, from_log
from controller.core.events import Event
from controller.core.report import report as made
from controller.core.report_text import as_json, day_time, render_markdown, render_text
from controller.core.words import clean, clock, count, lasting, markdown
from controller.errors import ProgramUnavailable, StoreUnavailable
from controller.settings import Settings

Json = Mapping[str, Any]
HEADERS = ("SERVICE", "LOAD", "FORECAST", "DATA", "READY", "FLOOR", "ROLLOUT", "MODE", "OPEN")
WIDE_ENOUGH = 116
"""Columns that a table of them needs."""
MOST_WOULD = 10
"""Lines of "what I would have done"; the report has all of them."""


async def status(screen: Screen, settings: Settings, address: Address, namespace: str, now: datetime) -> Exit:
    """Everything at a glance; from the log alone where the program does not answer."""
    try:
        found = await ask(settings, address, "/v1/status", "status", **({"namespace": namespace} if namespace else {}))
    except ProgramUnavailable as error:
        return await without(screen, settings, error, now)
    if screen.format is Format.JSON:
        screen.json(found)
        return Exit.OK
    head(screen, found, now)
    services(screen, found["services"], namespace)
    would(screen, found["would"])
    if screen.format is Format.TEXT:
        first = next(iter(found["open"]), "")
        screen.text(f"\nnext, in the pod: {f'trimtab explain {first}' if first else 'trimtab report'}")
    return Exit.OK


async def without(screen: Screen, settings: Settings, error: ProgramUnavailable, now: datetime) -> Exit:
    """The program does not answer: what its log says, if that is here."""
    try:
        async with Reading(settings, "status") as store:
            screen.problem(error)
            screen.note("  load, forecast and data are not known; this is what its log says:")
            await from_log(screen, store, now)
    except StoreUnavailable:
        raise error from None
    return Exit.DEGRADED


def head(screen: Screen, found: Json, now: datetime) -> None:
    """The program itself: who leads, how long the log is, what is open."""
    program = found["program"]
    since = f" ({lasting(now - datetime.fromisoformat(program['since']))} ago)" if program["since"] else ""
    note = f"{program['note']}{since}" if program["note"] else "nobody has led yet"
    asked = f", {len(found['questions'])} waiting for an answer: {', '.join(found['questions'])}"
    lines = [
        ("leader", note if program["leads"] else f"{note}; {program['replica']} stands by and has no forecasts"),
        ("log", f"{count(program['events'], 'event')}, epoch {program['epoch']}"),
        ("record", f"{program['right']} of {count(program['labelled'], 'labelled action')} right"),
        ("open", f"{count(len(found['open']), 'incident')}{asked if found['questions'] else ''}"),
    ]
    if found["paused"]:
        lines.append(("paused", found["paused"]))
    for name, text in lines:
        if screen.format is Format.MARKDOWN:
            screen.text(f"- **{name}**: {markdown(clean(text))}")
        else:
            hanging(screen, f"{name:<8}{clean(text)}", 8)
    screen.text()


def services(screen: Screen, found: Sequence[Json], namespace: str) -> None:
    """One row for each service, and why numbers are missing."""
    if not found:
        where = f"in {clean(namespace, 63)}" if namespace else "in a namespace that you may read"
        screen.text(f"no service is watched {where} · `trimtab doctor` says what is missing")
        return
    rows = [row(service) for service in found]
    if screen.format is Format.MARKDOWN:
        screen.table(HEADERS, [[markdown(cell) for cell in cells] for cells in rows])
    elif screen.width >= WIDE_ENOUGH:
        screen.table(HEADERS, rows)
    else:
        for service in found:
            stacked(screen, service)
    notes = missing(found)
    if notes:
        screen.text()
    for line in notes:
        hanging(screen, line if screen.format is Format.TEXT else f"- {markdown(line)}", 2)


def row(service: Json) -> tuple[str, ...]:
    """The cells of one service."""
    return (
        named(service),
        service["load"]["text"],
        forecast(service["forecast"]),
        data(service["data"]),
        ready(service),
        clean(service["floor"]["text"], 40),
        clean(service["rollout"]["text"], 40),
        service["modes"],
        service["incident"] or "–",
    )


def stacked(screen: Screen, service: Json) -> None:
    """One service where the screen is too narrow for a table: its name, then what is known in words."""
    cells = row(service)
    screen.text(f"{cells[0]}{f'  {cells[8]}' if service['incident'] else ''}")
    told = [
        f"{name.lower()} {cell}"
        for name, cell in zip(
            ("load", "forecast", "data", "ready", "floor", "rollout", "mode"), cells[1:8], strict=True
        )
        if cell != "–"
    ]
    for line in textwrap.wrap(" · ".join(told), screen.width - 2):
        screen.text(f"  {line}")


def named(service: Json) -> str:
    """`shop/checkout`; its kind where it is not the usual one."""
    kind = "" if service["kind"] == "Deployment" else f" ({service['kind']})"
    return clean(f"{service['namespace']}/{service['name']}{kind}", 160)


def forecast(found: Json) -> str:
    """`≤ 338/s to 14:11`."""
    if found["value"] is None:
        return "–"
    until = f" to {clock(datetime.fromisoformat(found['until']))}" if found["until"] else ""
    return f"≤ {found['text']}{until}"


def data(found: Json) -> str:
    """How far the data can be trusted, by word and shape."""
    if found["healthy"] is None:
        return "○ not yet"
    return "✔ healthy" if found["healthy"] else f"▲ {', '.join(found['problems'])}"


def ready(service: Json) -> str:
    """`5 of 12`."""
    known = service["ready"] is not None and service["desired"] is not None
    return f"{service['ready']} of {service['desired']}" if known else "–"


def missing(found: Sequence[Json]) -> list[str]:
    """Why numbers are not there and data not trusted, each reason once."""
    why: dict[tuple[str, str], list[str]] = {}
    for service in found:
        reasons: dict[str, list[str]] = {}
        for what, cell in (("load", service["load"]), ("forecast", service["forecast"])):
            if cell["value"] is None and cell["why"]:
                reasons.setdefault(cell["why"], []).append(what)
        if service["floor"]["text"] == "–" and service["floor"]["why"]:
            reasons.setdefault(service["floor"]["why"], []).append("floor")
        for reason, lacks in reasons.items():
            why.setdefault((" and ".join(lacks), reason), []).append(named(service))
    told = [f"data of {named(one)}: {clean(one['data']['detail'])}" for one in found if one["data"]["detail"]]
    return told + [
        f"no {what} of {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: {clean(reason)}"
        for (what, reason), names in why.items()
    ]


def would(screen: Screen, found: Sequence[Json]) -> None:
    """What would have been done, had it been allowed."""
    title = "what I would have done in the last seven days"
    screen.text(f"\n## {title}\n" if screen.format is Format.MARKDOWN else f"\n{title}")
    if not found:
        screen.text("nothing" if screen.format is Format.MARKDOWN else "  nothing")
    for deed in found[:MOST_WOULD]:
        asked = ", after asking" if deed["asked_first"] else ""
        about = f" · {deed['incident']}" if deed["incident"] else ""
        at = day_time(datetime.fromisoformat(deed["at"]))
        text = f"{at} UTC  {named(deed)}: {clean(deed['text'])}{asked}{about}"
        if screen.format is Format.MARKDOWN:
            screen.text(f"- {markdown(text)}")
        else:
            hanging(screen, f"○ {text}", 2)
    if len(found) > MOST_WOULD:
        screen.text(f"  and {len(found) - MOST_WOULD} before that · all: trimtab report")


def hanging(screen: Screen, text: str, indent: int) -> None:
    """A line, wrapped below itself on a terminal."""
    if screen.format is not Format.TEXT:
        screen.text(text)
        return
    for line in textwrap.wrap(text, screen.width, subsequent_indent=" " * indent, drop_whitespace=True):
        screen.text(line)


async def report(screen: Screen, settings: Settings, days: int, now: datetime) -> Exit:
    """What was done in the last days, what would have been, and what came of it; from the log."""
    streams: dict[str, list[Event]] = {}
    after = 0
    async with Reading(settings, f"report --days {days}") as store:
        while page := await store.follow(after):
            for item in page:
                streams.setdefault(item.stream, []).append(item.event)
            after = page[-1].sequence
    found = made(streams, now - timedelta(days=days), now)
    match screen.format:
        case Format.JSON:
            screen.json(as_json(found))
        case Format.MARKDOWN:
            screen.text(render_markdown(found).rstrip("\n"))
        case Format.TEXT:
            for line in render_text(found).splitlines():
                hanging(screen, line or " ", 4 if line.startswith(" ") else 16)
    return Exit.OK
