"""`trimtab demo`: the terminal of the demo, and its end.

Promises to work on 60 columns, without colour and without a terminal, that one answer may be given here as well as on
the page, and that Ctrl-C leaves no process and says how to go on.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from controller import logs
from controller.cli.exits import Exit
from controller.cli.screen import Screen
from controller.core.events import Verdict
from controller.core.timeline import Tone
from controller.core.words import count, lasting
from controller.demo.audience import Place
from controller.demo.document import Unwritable, Write, opened
from controller.demo.reading import Ending, Kind
from controller.demo.result import Result
from controller.demo.run import Wishes, play
from controller.demo.stories import BEGIN, LASTS, Morning, Story
from controller.demo.telling import Line
from controller.errors import TrimtabError
from controller.ports import Message
from controller.runtime.answers import Reply

WIDE = 100
"""Columns from which the table is one."""

INTERRUPTED = 130
"""The shell's code for a program that Ctrl-C ended."""

PACE = 150.0
"""Seconds of the lab to one of yours, when somebody watches."""

OPENING = (
    "You are about to see two hours of a morning in a small shop, in about a minute: five services on a fleet that "
    "lives in this process alone, watched by trimtab just as it would watch a cluster of yours. A rollout goes wrong, "
    "containers run out of memory, the morning peak comes, something breaks that no runbook knows, and one thing only "
    "looks alarming. trimtab acts alone only where a policy allows it and the evidence is strong enough, asks you "
    "once, and counts a repair as good only when the service's own metrics say so."
)
MARKS = {Tone.GOOD: ("✔", "green"), Tone.BAD: ("●", "red"), Tone.WAITING: ("◆", "yellow"), Tone.PLAIN: ("·", "")}
FURTHER = (
    ("make demo ARGS=--seed=8", "another morning"),
    ("docs/tutorial/index.md", "the same, step by step, then in a cluster of yours"),
    (".venv/bin/trimtab runbook lint runbooks/library", "what it knows how to repair"),
)


@dataclass(slots=True)
class Terminal:
    """The audience at the terminal."""

    screen: Screen
    interactive: bool
    write: Write = field(default=lambda _document: None)
    said: Verdict | None = None
    waiting: bool = False
    bar: Progress | None = None
    listening: bool = False
    shown: list[Line] = field(default_factory=list)

    def opens(self, place: Place, morning: Morning) -> None:
        """Three sentences, and where the page is."""
        self.paragraph(OPENING if morning.stories else opening_of(morning))
        self.screen.text()
        if place.moved:
            self.paragraph("Port 8080 is taken, so the page is on another one.")
        self.paragraph("The page (this link logs you in, once):")
        self.screen.text(f"  {place.link()}")
        self.screen.text()
        if self.screen.out.isatty():
            self.begin_bar()
        if self.interactive:
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self.typed)
            self.listening = True

    def tells(self, line: Line) -> None:
        """One turn of a story."""
        self.shown.append(line)
        mark, style = MARKS[line.tone]
        head = f"{line.at:%H:%M} {mark} {line.service:<10} "
        room = max(24, self.screen.width - len(head))
        rows = textwrap.wrap(f"{line.what}: {line.text}", room) or [""]
        kept = rows[:2] if len(rows) <= 2 else [rows[0], textwrap.shorten(" ".join(rows[1:]), room, placeholder=" …")]
        self.show(Text.assemble(f"{line.at:%H:%M} ", (mark, style), f" {line.service:<10} {kept[0]}"))
        for row in kept[1:]:
            self.show(Text(" " * len(head) + row))

    def moves(self, now: datetime) -> None:
        """The clock of the lab."""
        if self.bar is not None and self.bar.tasks:
            done = min(1.0, (now - BEGIN) / LASTS)
            self.bar.update(self.bar.tasks[0].id, completed=done, description=f"{now:%H:%M} in the lab")

    def asks(self, question: Message, link: str) -> None:
        """The one question: six facts, one decision."""
        self.end_bar()
        self.waiting, self.said = True, None
        self.screen.text()
        self.paragraph(question.headline)
        for name, fact in question.facts:
            self.hung(f"  {name:<11} ", fact)
        self.screen.text()
        if self.interactive:
            self.paragraph("Approve it? Type y or n and press Enter, or answer on the page:")
        else:
            self.paragraph("Nobody can type here, so answer on the page:")
        self.screen.text(f"  {link}")
        self.paragraph("Time in the lab runs like yours until then.")

    def heard(self) -> Verdict | None:
        """What was typed since."""
        said, self.said = self.said, None
        return said if self.waiting else None

    def replies(self, reply: Reply) -> None:
        """What the door says."""
        self.paragraph(reply.sentence)

    def answered(self) -> None:
        """On we go."""
        self.waiting = False
        self.screen.text()
        if self.screen.out.isatty():
            self.begin_bar()

    def ends(self, result: Result) -> None:
        """The table, what the floor was worth, and the document."""
        self.end_bar()
        self.close()
        self.screen.text()
        rows = [row(story, found, result) for story, found in result.endings]
        if self.screen.width < WIDE:  # columns become lines, which have to say what they are
            rows = [(name, what, f"decided by {who}", labelled(proven)) for name, what, who, proven in rows]
        self.screen.table(("Story", "What happened", "Who decided", "Verified"), rows)
        self.screen.text()
        for text in worth(result):
            self.paragraph(text)
        for story, found in result.endings:
            if why := result.why_not(story, found):
                self.screen.problem(f"{story.workload.name}, {story.name}: {why}")
        self.write(result.document())

    def stays(self, place: Place) -> None:
        """The page is left up."""
        self.screen.text()
        self.paragraph("Everything is on the page, which stays until you press Ctrl-C (a new link that works once):")
        self.screen.text(f"  {place.link()}")
        self.paragraph("The same in another terminal, as you:")
        self.screen.text(f"  {place.command()}")

    # inside

    def typed(self) -> None:
        """A line was typed."""
        line = sys.stdin.readline()
        if not line:
            self.close()
            return
        answer = line.strip().lower()
        if self.waiting and answer in {"y", "yes"}:
            self.said = Verdict.APPROVE
        elif self.waiting and answer in {"n", "no"}:
            self.said = Verdict.REJECT
        elif self.waiting:
            self.paragraph("Type y to approve or n to refuse.")

    def close(self) -> None:
        """Listen no more."""
        if self.listening:
            self.listening = False
            with suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(sys.stdin.fileno())

    def begin_bar(self) -> None:
        """Show that time passes."""
        if self.bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=30))
            self.bar = Progress(*columns, console=self.screen.console(), transient=True)
            self.bar.add_task(f"{BEGIN:%H:%M} in the lab", total=1.0)
            self.bar.start()

    def end_bar(self) -> None:
        """Leave no half-drawn line."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def show(self, text: Text) -> None:
        """One line, above the bar if there is one."""
        if self.bar is not None:
            self.bar.console.print(text, soft_wrap=True)
        else:
            self.screen.console().print(text, soft_wrap=True)
        self.screen.out.flush()

    def paragraph(self, text: str) -> None:
        """Wrapped to the screen."""
        for line in textwrap.wrap(text, min(100, self.screen.width)):
            self.show(Text(line))

    def hung(self, head: str, text: str) -> None:
        """A fact, wrapped beside its name."""
        room = max(20, self.screen.width - len(head))
        for index, line in enumerate(textwrap.wrap(text, room) or [""]):
            self.show(Text((head if index == 0 else " " * len(head)) + line))


def opening_of(morning: Morning) -> str:
    """The opening of somebody's own fleet."""
    scenario = morning.scenario
    faults = f"{count(len(scenario.faults), 'fault')} will happen. " if scenario.faults else ""
    return (
        f"You are about to see two hours of {scenario.name}, in about a minute: "
        f"{count(len(scenario.services), 'service')} on a fleet that lives in this process alone, watched by trimtab "
        f"just as it would watch a cluster of yours. {faults}trimtab holds "
        "floors and takes bad versions back by itself, asks before anything else, and counts a repair as good only "
        "when the service's own metrics say so."
    )


NOTHING = "nothing to verify: a person has it"
WHAT = {"auto": "acted alone", "ask": "asked first", "hand_over": "handed over", "none": "kept still"}


def row(story: Story, found: Ending, result: Result) -> tuple[str, str, str, str]:
    """One story in the table; what did not end as it should has another mark, not only another colour."""
    mark = "✔" if result.as_it_should(story, found) else "✖"
    what = WHAT.get(found.route, found.route.replace("_", " "))
    if found.outcome != "none":
        what += f", {found.outcome}"
    if found.seconds is not None:
        what += f" after {lasting(timedelta(seconds=found.seconds))}"
    return f"{mark} {story.workload.name}: {story.name}", what, found.by, proof(story, found)


def proof(story: Story, found: Ending) -> str:
    """What the log says of it."""
    match story.kind:
        case Kind.CONTROL:
            return "yes, nothing was written" if found.verified else "no, something was written"
        case Kind.HANDOVER if found.outcome == "none":
            return NOTHING
        case _:
            return "yes" if found.verified else "no"


def labelled(proven: str) -> str:
    """The last column where it has no heading."""
    return proven if proven == NOTHING else f"verified: {proven}"


def worth(result: Result) -> Sequence[str]:
    """What the floor cost and what it saved, beside the same morning without it."""
    return minutes(result), f"The log holds {count(result.events, 'event')}; everything above was read from it."


def minutes(result: Result) -> str:
    """The figures of the fleet and of its twin."""
    held, bare = result.with_floor, result.without
    if not any(story.kind is Kind.SCALING for story, _ in result.endings):
        return f"Minutes outside of the objectives: {held.slo_minutes:g}; no floor was held."
    more = held.pod_hours - bare.pod_hours
    return (
        f"Minutes outside of the objectives: {held.slo_minutes:g} with the floor, {bare.slo_minutes:g} without it, for "
        f"{abs(more):.1f} {'more' if more >= 0 else 'fewer'} pod hours "
        f"({held.pod_hours:.1f} against {bare.pod_hours:.1f})."
    )


def begin(wishes: Wishes, screen: Screen, file: Path | None) -> int:
    """Play it; the exit code."""
    logs.configure(sys.stderr, "error", "", None)
    try:
        with opened(file) as write:
            return asyncio.run(watched(wishes, screen, write))
    except Unwritable as error:
        screen.problem(error)
        return int(Exit.USAGE)
    except TrimtabError as error:
        screen.problem(error)
        return int(Exit.FAILED)


async def watched(wishes: Wishes, screen: Screen, write: Write) -> int:
    """Play it until its end or a signal."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    interactive = sys.stdin.isatty() and screen.out.isatty() and not wishes.approve_all
    terminal = Terminal(screen, interactive, write)
    try:
        result = await play(wishes, terminal, stop)
    finally:
        terminal.end_bar()
        terminal.close()
    if result is None:
        screen.text()
        terminal.paragraph("Ended in the middle; nothing is left running.")
        goes_on(screen)
        return INTERRUPTED
    goes_on(screen)
    return int(Exit.FAILED if result.astray else Exit.OK)


def goes_on(screen: Screen) -> None:
    """What to try next."""
    screen.text()
    screen.text("What to try next")
    for command, says in FURTHER:
        screen.text(f"  {command}")
        screen.text(f"      {says}")
