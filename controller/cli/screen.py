"""What a command writes to: text for people, JSON for programs, Markdown for documents.

Promises to work on 60 columns, without colour and without a terminal; that a state is never told by colour alone; and
that secrets are hidden in everything that goes through here, errors included.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TextIO

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from controller.cli.exits import Exit
from controller.errors import TrimtabError

WIDE = 150
"""Columns where there is no terminal: what is read later need not be wrapped early."""
NARROW = 60


class Format(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class ExportAs(StrEnum):
    """What an incident can be exported as."""

    RUNBOOK_TEST = "runbook-test"
    MARKDOWN = "markdown"


class Ended(Exception):
    """A command ends here: a sentence for people (may be empty) and the exit code."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(sentence)
        self.sentence, self.code = sentence, code


def plainly(text: str) -> str:
    """Nothing to hide."""
    return text


@dataclass(slots=True)
class Screen:
    """Standard output and standard error of one command. `yes` answers every question of ours."""

    format: Format = Format.TEXT
    yes: bool = False
    hide: Callable[[str], str] = plainly
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    @property
    def width(self) -> int:
        """Columns to write to, never fewer than can be read."""
        if "COLUMNS" in os.environ or self.out.isatty():
            return max(NARROW, shutil.get_terminal_size((WIDE, 24)).columns)
        return WIDE

    @property
    def colour(self) -> bool:
        """Whether colour may be added."""
        return self.out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def text(self, text: str = "") -> None:
        """Text as it is."""
        self.out.write(self.hide(text) + "\n")

    def marked(self, mark: str, text: str, style: str = "") -> None:
        """`✔ text`, wrapped under itself; the mark carries the colour, if there is any."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text(mark, style=style), Text(self.hide(text)))
        self._print(grid)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns for people, or a Markdown table."""
        hidden = [[self.hide(cell) for cell in row] for row in rows]
        if self.format is Format.MARKDOWN:
            self.text("| " + " | ".join(headers) + " |")
            self.text("|" + "---|" * len(headers))
            for row in hidden:
                self.text("| " + " | ".join(row) + " |")
            return
        if self.width < 100 and len(headers) > 3:
            self._stacked(hidden)
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold" if self.colour else "")
        for header in headers:
            table.add_column(header, overflow="fold")
        for row in hidden:
            table.add_row(*(Text(cell) for cell in row))
        self._print(table)

    def _stacked(self, rows: Sequence[Sequence[str]]) -> None:
        """A table that is too wide: the first column alone, the rest below it."""
        for first, *rest in rows:
            self.text(first)
            for line in textwrap.wrap(" · ".join(cell for cell in rest if cell), self.width - 2):
                self.text(f"  {line}")

    def _print(self, renderable: RenderableType) -> None:
        """What rich lays out, without the blanks it fills lines up with."""
        console = self.console()
        with console.capture() as captured:
            console.print(renderable)
        for line in captured.get().splitlines():
            self.out.write(line.rstrip() + "\n")

    def json(self, value: Mapping[str, Any] | Sequence[Any]) -> None:
        """One JSON document."""
        self.text(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def note(self, text: str) -> None:
        """Something for people beside the answer: to standard error, so that the answer can be piped."""
        self.err.write(self.hide(text) + "\n")

    def problem(self, error: TrimtabError | str) -> None:
        """What went wrong, and what to do."""
        self.note(f"✖ {error}")

    def ask(self, question: str) -> None:
        """Go on only with a yes; raises Ended. Without a terminal nobody can be asked."""
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise Ended("nobody can be asked here: add --yes to go on", Exit.USAGE)
        if not typer.confirm(self.hide(question), err=True):
            raise Ended("nothing was done", Exit.FAILED)

    def console(self) -> Console:
        """What rich writes to, as plain as the screen is."""
        return Console(
            file=self.out,
            width=self.width,
            no_color=not self.colour,
            color_system="auto" if self.colour else None,
            highlight=False,
            markup=False,
            emoji=False,
            force_terminal=self.colour or None,
        )
