"""A story as text: lines for a terminal of any width, Markdown for a post-mortem.

Promises that both tell every row of the story, and that nothing foreign in it becomes markup. Pure.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from controller.core.timeline import Row, Story, places
from controller.core.words import clock_seconds, fenced, markdown, moment


def render_text(told: Story, width: int = 150) -> str:
    """The story as plain text for a terminal `width` columns wide."""
    stamps = _stamps(told.rows)
    indent = max((len(stamp) for stamp in stamps), default=8) + 15
    lines = [*textwrap.wrap(told.headline, max(40, width)), ""]
    for stamp, row in zip(stamps, told.rows, strict=True):
        head = f"{stamp}  {row.word:<13}"
        text = row.text
        if row.why and indent + len(text) + 5 + len(f"why: {row.why}") <= width:
            text = f"{text}     why: {row.why}"
            lines += _hung(head, text, indent, width)
        else:
            lines += _hung(head, text, indent, width)
            if row.why:
                lines += _hung(" " * indent, f"why: {row.why}", indent, width)
        for detail in row.details:
            lines += _hung(f"{' ' * indent}· ", detail, indent + 2, width)
    answering, reading = places(told.next)
    return "\n".join([*lines, "", *_next("on your machine: ", answering, width), *_next("next: ", reading, width)])


def _next(label: str, commands: Sequence[str], width: int) -> list[str]:
    """The next commands in one line, or one below the other where they would be broken."""
    line = f"{label}{' · '.join(commands)}"
    if len(line) <= width:
        return [line] if commands else []
    return [f"{label if number == 0 else ' ' * len(label)}{command}" for number, command in enumerate(commands)]


def _hung(head: str, text: str, indent: int, width: int) -> list[str]:
    if len(head) + len(text) <= width:
        return [f"{head}{text}".rstrip()]
    wrapped = textwrap.wrap(text, max(20, width - indent), break_long_words=False, break_on_hyphens=False)
    return [f"{head if number == 0 else ' ' * indent}{line}" for number, line in enumerate(wrapped)]


def _stamps(rows: Sequence[Row]) -> list[str]:
    """Times alone while the story stays on one day, else with the date."""
    several = len({moment(row.at)[:10] for row in rows}) > 1
    return [f"{moment(row.at)[5:10]} {clock_seconds(row.at)}" if several else clock_seconds(row.at) for row in rows]


def render_markdown(told: Story) -> str:
    """The story as Markdown for a post-mortem: nothing foreign in it becomes markup."""
    incident = told.incident
    lines = [
        f"## {markdown(told.id)}: {markdown(str(incident.workload))}",
        "",
        markdown(told.headline),
        "",
        f"Opened {moment(incident.opened_at)}; times in UTC.",
        "",
        "| time | what | |",
        "|---|---|---|",
    ]
    for stamp, row in zip(_stamps(told.rows), told.rows, strict=True):
        why = f" *why:* {markdown(row.why)}" if row.why else ""
        further = "".join(f"<br>· {markdown(detail)}" for detail in row.details)
        lines.append(f"| {stamp} | **{markdown(row.word)}** | {markdown(row.text)}{why}{further} |")
    if told.plan is not None:
        lines += ["", f"### Plan {told.plan.digest}", "", fenced(told.plan.diff or "(no diff)", "diff")]
    return "\n".join([*lines, ""])
