"""`make install` and `make demo`: uv is asked for what it accepts, and pip is the way out when it does not manage."""

import subprocess
from pathlib import Path

import pytest

from tests.layout import ROOT

pytestmark = pytest.mark.checkout

PYTHON = """#!/bin/sh
echo "python $@" >> "$CALLS"
"""
UV = """#!/bin/sh
echo "uv $@" >> "$CALLS"
case $1 in venv) mkdir -p .venv/bin && cp "$(command -v python3)" .venv/bin/python ;; *) exit "${UV_ENDS:-0}" ;; esac
"""


def install(folder: Path, *words: str, uv_ends: int = 0) -> list[list[str]]:
    """Run a copy of `scripts/install` among programs that only note how they are called; the calls."""
    (folder / "scripts").mkdir()
    (folder / "scripts/install").write_text((ROOT / "scripts/install").read_text())
    (folder / "bin").mkdir()
    for name, text in (("python3", PYTHON), ("uv", UV)):
        program = folder / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    surroundings = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "CALLS": str(folder / "calls"), "UV_ENDS": str(uv_ends)}
    subprocess.run(["sh", folder / "scripts/install", *words], check=True, env=surroundings)
    return [line.split() for line in (folder / "calls").read_text().splitlines()]


@pytest.mark.parametrize("words", [(), ("runtime",)])
def test_uv_is_given_no_option_twice(tmp_path: Path, words: tuple[str, ...]) -> None:
    """It refuses a flag that is repeated, where pip does not mind."""
    asked = [call for call in install(tmp_path, *words) if call[:3] == ["uv", "pip", "install"]]

    requirements, checkout = asked
    assert "--require-hashes" in requirements
    assert "--no-deps" in checkout
    assert checkout[-1] == "."
    for call in asked:
        flags = [word for word in call if word.startswith("--")]
        assert sorted(flags) == sorted(set(flags))


def test_who_only_runs_it_gets_no_editable_checkout_and_no_tools(tmp_path: Path) -> None:
    calls = install(tmp_path, "runtime")

    assert not any("--editable" in call or "requirements/dev.txt" in call for call in calls)
    assert (tmp_path / ".venv/.runnable").exists()
    assert not (tmp_path / ".venv/.installed").exists()


def test_pip_does_it_when_uv_does_not_manage(tmp_path: Path) -> None:
    calls = install(tmp_path, uv_ends=2)

    by_pip = [call for call in calls if call[:4] == ["python", "-m", "pip", "install"]]
    assert [call[-1] for call in by_pip] == ["requirements/dev.txt", "."]
