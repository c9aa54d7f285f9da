"""`make tools`: installs where it may, prints the line to run where it may not, and never asks for a password."""

import subprocess
from pathlib import Path

import pytest

from tests.layout import ROOT

pytestmark = pytest.mark.checkout


def tools(folder: Path, *, user: int, apt: bool = True) -> tuple[str, str]:
    """Run `scripts/tools` on a machine that has no other program; its output, and the calls of apt-get."""
    calls = folder / "calls"
    calls.touch()
    program(folder / "id", f"echo {user}")
    if apt:
        program(folder / "apt-get", f'echo "$@" >> {calls}')
    alone = {"PATH": str(folder)}
    ended = subprocess.run([ROOT / "scripts/tools"], capture_output=True, text=True, check=True, env=alone)
    return ended.stdout, calls.read_text()


def program(file: Path, line: str) -> None:
    """Write a shell program of one line."""
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def test_root_on_debian_refreshes_the_lists_and_installs(tmp_path: Path) -> None:
    said, calls = tools(tmp_path, user=0)

    assert calls.splitlines()[0] == "-qq update"
    assert calls.splitlines()[1].startswith(
        "-qq install --yes --no-install-recommends prometheus prometheus-alertmanager"
    )
    assert "no Go here" in said


def test_anybody_else_is_told_the_one_line_to_run(tmp_path: Path) -> None:
    said, calls = tools(tmp_path, user=1000)

    assert calls == ""
    assert "run  sudo apt-get update && sudo apt-get install" in said
    assert "chromium" in said


def test_where_there_is_no_apt_the_programs_are_named(tmp_path: Path) -> None:
    said, calls = tools(tmp_path, user=0, apt=False)

    assert calls == ""
    assert "missing here" in said
