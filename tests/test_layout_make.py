"""The Makefile: every target is one line of help, and the documents name only targets that exist."""

import re
import subprocess

import pytest

from tests.layout import ROOT

pytestmark = pytest.mark.checkout

PROMISED = {
    "install",
    "tools",
    "test",
    "check",
    "demo",
    "bench",
    "bench-quick",
    "crds",
    "docs",
    "lock",
    "clean",
    "help",
}


def targets() -> set[str]:
    """Every phony target of the Makefile."""
    return set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_help_says_one_line_for_every_target() -> None:
    command = ["make", "--no-print-directory", "help"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = dict(re.findall(r"^  (\S+) +(\S.*)$", said, re.MULTILINE))

    assert set(lines) == targets() == PROMISED
    assert len(said.splitlines()) == len(lines)


def test_documents_name_only_targets_that_exist() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests/README.md"]
    named = {
        (document.name, target)
        for document in documents
        for target in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", document.read_text(), re.MULTILINE)
    }

    assert named
    assert {(document, target) for document, target in named if target not in targets()} == set()


def test_the_image_runs_as_nobody_in_particular_and_copies_what_exists() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert [line for line in lines if line.startswith("USER ")] == ["USER 65532:65532"]
    assert all("--require-hashes" in line for line in lines if " install -" in line and "--no-deps" not in line)
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert set(copied) == allowed
