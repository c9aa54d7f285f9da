"""Running a command as a shell would: arguments, variables, and what came out."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from controller.cli.commands import app
from controller.cli.exits import Exit


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: Exit
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass
class Trimtab:
    """`trimtab` with these variables."""

    env: dict[str, str]
    folder: Path
    runner: CliRunner = field(default_factory=CliRunner)

    def __call__(self, *arguments: str, stdin: str | None = None, **env: str) -> Answer:
        """Run one command."""
        done = self.runner.invoke(app, list(arguments), input=stdin, env={**self.env, **env}, catch_exceptions=False)
        return Answer(Exit(done.exit_code), done.stdout, done.stderr)
