"""The report in words: one sentence that says how much happened, a few facts, then one line for each thing.

Promises the same words on the page, on the command line, in Markdown and in the chat; that nothing done and nothing
asked are said as such; and that a long list is cut where people stop reading, with the number of what was left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.core.report import Report
from controller.core.report_floors import judged
from controller.core.report_parts import Deed, Fate, Line, Loop, Mark, Way
from controller.core.words import clean, count, markdown, moment
from controller.ports import Message
from detectors.series import Workload
from remediations.plan import Outcome

WEEK = timedelta(days=7)
SHAPES = {
    Mark.PERSON: "▲",
    Mark.BAD: "✖",
    Mark.ASKS: "●",
    Mark.VERIFYING: "◐",
    Mark.ACTED: "✔",
    Mark.WOULD: "○",
    Mark.OVER: "·",
}
"""The shape before a line: no mark is told by colour alone."""
MOST_LINES, MOST_SERVICES = 5, 12
"""What a chat message shows of one service, and how many services."""


@dataclass(frozen=True, slots=True)
class Group:
    """One service's lines, the newest `most` of them, and how many are left out."""

    workload: Workload
    lines: tuple[Line, ...]
    more: int = 0


def when(report: Report) -> str:
    """How the stretch is called at the beginning of a sentence."""
    lasting = report.end - report.begin
    if lasting == WEEK:
        return "Last week"
    days = round(lasting / timedelta(days=1))
    return "In the last day" if days == 1 else f"In the last {days} days"


def stretch(report: Report) -> str:
    """`Fri 13 Nov 08:00 to Fri 20 Nov 08:00 UTC`, and since when there is anything to tell."""
    told = f"{day_time(report.begin)} to {day_time(report.end)} UTC"
    return f"{told}; the log begins {day_time(report.since)}" if report.since is not None else told


def day_time(at: datetime) -> str:
    """`Fri 20 Nov 14:02`, in UTC."""
    at = at.astimezone(UTC)
    return f"{at:%a} {at.day} {at:%b} {at:%H:%M}"


def times(number: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def headline(report: Report) -> str:
    """One sentence: what I did, or would have done."""
    did = len(report.of(Way.ALONE, Way.APPROVED))
    acted, asked = len(report.of(Way.WOULD_ACT)), len(report.of(Way.WOULD_ASK))
    would = _would(acted, asked)
    if did:
        return f"{when(report)} I acted {times(did)}{f', and {would}' if would else ''}."
    if would:
        return f"{when(report)} I {would}."
    if report.questions:
        return f"{when(report)} I asked {times(len(report.questions))} and changed nothing."
    if report.incidents:
        return f"{when(report)} I saw {count(report.incidents, 'incident')} and changed nothing."
    if report.lines:
        return f"{when(report)} I changed nothing."
    return f"{when(report)} I saw nothing break."


def _would(acted: int, asked: int) -> str:
    if acted and asked:
        return f"would have acted {times(acted)} and asked {times(asked)}"
    if acted:
        return f"would have acted {times(acted)}"
    return f"would have asked {times(asked)} whether to act" if asked else ""


def facts(report: Report) -> tuple[tuple[str, str], ...]:
    """The numbers behind the sentence, by name; what did not happen is left out, but never that nothing was changed."""
    rows = (
        ("Period", stretch(report)),
        ("Did", _did(report)),
        ("Would have", _withheld(report)),
        ("Asked", _asked(report)),
        ("Came of it", _outcomes(report)),
        ("Floors", judged(report.floors) if report.floors else ""),
        ("Rollouts", _rollouts(report)),
        ("Left to people", count(report.left, "incident") if report.left else ""),
        ("Watched", count(report.watched, "workload") if report.watched is not None and report.lines else ""),
    )
    return tuple((name, text) for name, text in rows if text)


def _did(report: Report) -> str:
    alone, approved = report.of(Way.ALONE), report.of(Way.APPROVED)
    if not alone and not approved:
        return "nothing"
    people = _people(deed.by for deed in approved)
    parts = [
        f"{_kinds(alone)} alone" if alone else "",
        f"{_kinds(approved)} approved by {people}" if approved else "",
    ]
    return "; ".join(part for part in parts if part)


def _withheld(report: Report) -> str:
    acted, asked = report.of(Way.WOULD_ACT), report.of(Way.WOULD_ASK)
    parts = [
        f"acted alone: {_kinds(acted)}" if acted else "",
        f"asked first: {_kinds(asked)}" if asked else "",
    ]
    told = "; ".join(part for part in parts if part)
    return f"{told} (only observed)" if told else ""


def _kinds(deeds: Sequence[Deed]) -> str:
    """`2 × rollback, 1 × restart`."""
    found = Counter(deed.noun for deed in deeds)
    return ", ".join(
        f"{number} × {name}" for name, number in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    )


def _people(names: Iterable[str]) -> str:
    found = Counter(clean(name, 60) for name in names)
    return ", ".join(name if len(found) == 1 else f"{name} ({number})" for name, number in sorted(found.items()))


def _asked(report: Report) -> str:
    if not report.questions:
        return ""
    fates = {fate: [question for question in report.questions if question.fate is fate] for fate in Fate}
    told = [
        f"{len(found)} {fate.value} by {_people(question.by for question in found)}"
        for fate in (Fate.APPROVED, Fate.REJECTED)
        if (found := fates[fate])
    ]
    words = {Fate.EXPIRED: "nobody answered", Fate.VOID: "no longer needed", Fate.OPEN: "still open"}
    told += [f"{len(fates[fate])} {word}" for fate, word in words.items() if fates[fate]]
    return f"{count(len(report.questions), 'question')}: {', '.join(told)}"


def _outcomes(report: Report) -> str:
    done = [deed for deed in report.of(Way.ALONE, Way.APPROVED) if deed.loop is Loop.INCIDENTS]
    if not done:
        return ""
    words = {
        Outcome.EFFECTIVE: "helped",
        Outcome.INEFFECTIVE: "without effect",
        Outcome.HARMFUL: "made it worse",
        Outcome.INCONCLUSIVE: "cannot be said",
        None: "not judged yet",
    }
    found = Counter(deed.outcome for deed in done)
    told = [f"{found[outcome]} {word}" for outcome, word in words.items() if found[outcome]]
    undone = sum(deed.undone for deed in done)
    return ", ".join((*told, *((f"{undone} taken back",) if undone else ())))


def _rollouts(report: Report) -> str:
    """`4 new versions: 3 not worse, 1 worse`."""
    if not report.rollouts:
        return ""
    words = {
        "promote": "not worse",
        "roll-back": "worse",
        "hold": "undecided",
        "cannot-know": "cannot be said",
        "": "never compared",
    }
    found = Counter(one.verdict for one in report.rollouts)
    told = ", ".join(f"{found[verdict]} {word}" for verdict, word in words.items() if found[verdict])
    return f"{count(len(report.rollouts), 'new version')}: {told}"


def groups(report: Report, most: int | None = None) -> tuple[Group, ...]:
    """The lines by service: whom a person has to look at first, then by name; the newest `most` of each, in order."""
    by: dict[Workload, list[Line]] = {}
    for line in report.lines:
        by.setdefault(line.workload, []).append(line)
    urgency = list(Mark)
    ordered = sorted(by.items(), key=lambda item: (min(urgency.index(line.mark) for line in item[1]), item[0].key))
    cut = len(report.lines) if most is None else most
    return tuple(
        Group(workload, tuple(lines[max(0, len(lines) - cut) :]), max(0, len(lines) - cut))
        for workload, lines in ordered
    )


def told(line: Line) -> str:
    """One line: when, which incident, what became of it."""
    name = f" {clean(line.incident, 60)}" if line.incident else ""
    return f"{SHAPES[line.mark]} {day_time(line.at)}{name}: {line.text}"


def quiet_note(report: Report) -> str:
    """What an empty report says below its headline."""
    seen = f"{count(report.watched, 'workload')} watched. " if report.watched is not None else ""
    return f"{seen}What cannot be seen is not in here: `trimtab status` says whose data cannot be trusted."


def render_text(report: Report) -> str:
    """Plain text for a terminal."""
    lines = [headline(report), ""]
    lines += [f"{name:<16}{text}" for name, text in facts(report)]
    for group in groups(report):
        lines += ["", clean(str(group.workload))]
        lines += [f"  {told(line)}" for line in group.lines]
    if report.quiet:
        lines += ["", quiet_note(report)]
    return "\n".join(lines)


def render_markdown(report: Report) -> str:
    """The same as a document."""
    lines = [f"## {markdown(headline(report))}", ""]
    lines += [f"- **{name}**: {markdown(text)}" for name, text in facts(report)]
    for group in groups(report):
        lines += ["", f"### {markdown(clean(str(group.workload)))}", ""]
        lines += [f"- {markdown(told(line))}" for line in group.lines]
    if report.quiet:
        lines += ["", markdown(quiet_note(report))]
    return "\n".join(lines) + "\n"


def message(report: Report, link: str = "") -> Message:
    """The report as a chat message: one fact for each service; `link` is the page's own report."""
    shown = groups(report, MOST_LINES)
    rows = list(facts(report))
    for group in shown[:MOST_SERVICES]:
        more = (f"and {group.more} before that",) if group.more else ()
        rows.append((clean(str(group.workload)), "\n".join((*(told(line) for line in group.lines), *more))))
    if len(shown) > MOST_SERVICES:
        rows.append(("And", f"{count(len(shown) - MOST_SERVICES, 'more service')}"))
    note = quiet_note(report) if report.quiet else ""
    footer = " · ".join(part for part in (note, f"all of it: {link}" if link else "all of it: trimtab report") if part)
    return Message(key=key(report.end), headline=headline(report), facts=tuple(rows), footer=footer)


def key(end: datetime) -> str:
    """The name of the report that ends then."""
    return f"report-{end.astimezone(UTC):%Y-%m-%dT%H}"


def as_json(report: Report) -> Mapping[str, Any]:
    """For programs."""
    return {
        "begin": report.begin.isoformat(),
        "end": report.end.isoformat(),
        "since": report.since.isoformat() if report.since is not None else None,
        "headline": headline(report),
        "acted": len(report.of(Way.ALONE, Way.APPROVED)),
        "acted_alone": len(report.of(Way.ALONE)),
        "would_have_acted": len(report.of(Way.WOULD_ACT)),
        "would_have_asked": len(report.of(Way.WOULD_ASK)),
        "questions": {fate.value: sum(question.fate is fate for question in report.questions) for fate in Fate},
        "outcomes": {
            outcome.value: sum(deed.outcome is outcome for deed in report.of(Way.ALONE, Way.APPROVED))
            for outcome in Outcome
        },
        "rollouts": [
            {"workload": one.workload.key, "version": one.version, "verdict": one.verdict} for one in report.rollouts
        ],
        "floors": Counter(one.bearing.value for one in report.floors),
        "incidents": report.incidents,
        "left_to_people": report.left,
        "watched": report.watched,
        "services": [
            {
                "workload": group.workload.key,
                "lines": [
                    {"at": moment(line.at), "incident": line.incident, "mark": line.mark.value, "text": line.text}
                    for line in group.lines
                ],
            }
            for group in groups(report)
        ],
    }
