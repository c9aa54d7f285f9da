"""`trimtab version` and `--help`: what is imported, what exists, and that the reference says the same."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from controller.cli.commands import app
from controller.cli.exits import Exit
from controller.reference import SECRETS, commands_page, leaves, settings_page
from tests.cli.run import Trimtab
from tests.layout import ROOT

HEAVY = {
    *("aiohttp", "alembic", "cel_expr_python", "fastapi", "jinja2", "kubernetes", "numpy", "prometheus_api_client"),
    *(
        "prometheus_client",
        "pydantic_settings",
        "requests",
        "scipy",
        "slack_bolt",
        "sqlalchemy",
        "structlog",
        "uvicorn",
    ),
    *("yaml", "controller.settings", "controller.app", "controller.program", "runbooks", "remediations", "detectors"),
}
ISSUED = {
    *(
        "run",
        "status",
        "report",
        "incidents",
        "incidents export",
        "explain",
        "plan",
        "approve",
        "reject",
        "undo",
        "pause",
    ),
    *(
        "resume",
        "doctor",
        "rbac",
        "runbook lint",
        "runbook test",
        "runbook new",
        "audit verify",
        "store adopt",
        "release",
        "demo",
        "version",
    ),
}


def test_version_starts_without_anything_heavy() -> None:
    code = (
        "import sys; sys.argv = ['trimtab', 'version']\n"
        "from controller.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    version, modules = done.stdout.splitlines()

    assert version.startswith("trimtab ")
    assert HEAVY.isdisjoint(modules.split())


def test_every_command_there_is_was_asked_for_and_the_other_way_round() -> None:
    assert {name.removeprefix("trimtab ") for name, _ in leaves("trimtab", get_command(app))} == ISSUED


@pytest.mark.parametrize("command", sorted(ISSUED))
def test_every_command_explains_itself_on_sixty_columns(trimtab: Trimtab, command: str) -> None:
    answer = trimtab(*command.split(), "--help", COLUMNS="60", TERMINAL_WIDTH="60")

    assert answer.code is Exit.OK
    assert "\x1b" not in answer.out
    assert max(len(line) for line in answer.out.splitlines()) <= 80


def test_an_unknown_command_is_a_matter_of_usage(trimtab: Trimtab) -> None:
    answer = trimtab("explian", "INC-1")

    assert answer.code is Exit.USAGE
    assert "explain" in answer.err


@pytest.mark.checkout
@pytest.mark.parametrize(("page", "made"), [("cli.md", commands_page), ("settings.md", settings_page)])
def test_the_reference_says_what_the_code_says(page: str, made: Any) -> None:
    assert (ROOT / "docs/reference" / page).read_text() == made(), "python -m controller.reference docs"


@pytest.mark.checkout
def test_every_secret_that_is_read_is_in_the_reference() -> None:
    sources = [path.read_text() for path in sorted((ROOT / "controller").rglob("*.py")) if path.name != "reference.py"]
    named = set(
        re.findall(
            r'"((?:slack|database|prometheus|alertmanager|webhook|pagerduty|proxy|page)/[a-z.-]+)"', "\n".join(sources)
        )
    )

    assert named <= {name for name, _ in SECRETS}


def test_a_program_of_the_shell_answers_as_the_same_commands(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "controller", "explain", "INC-1"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TRIMTAB_DATABASE_URL": f"sqlite:///{tmp_path}/none.db"},
    )

    assert done.returncode == Exit.FAILED
    assert "kubectl -n trimtab exec deploy/trimtab -- trimtab explain INC-1" in done.stderr
    assert done.stdout == ""
