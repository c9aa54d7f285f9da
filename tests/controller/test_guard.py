"""The start-up guard: half of somebody else's code never runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.guard import PACKAGES, MixedInstallation, directory_of, refuse_mixed, refuse_mixed_installation

HOME = Path("/opt/trimtab/lib")
TOGETHER = dict.fromkeys(PACKAGES, HOME)


def test_one_installation_may_start() -> None:
    refuse_mixed(TOGETHER)
    refuse_mixed_installation()


@pytest.mark.parametrize("stray", [name for name in PACKAGES if name != "controller"])
@pytest.mark.parametrize("place", [Path("/elsewhere"), None], ids=["elsewhere", "missing"])
def test_a_package_from_elsewhere_is_refused_by_name_with_the_remedy(stray: str, place: Path | None) -> None:
    with pytest.raises(MixedInstallation) as refused:
        refuse_mixed({**TOGETHER, stray: place})

    message = str(refused.value)
    assert f"{stray} in {place or 'no place at all'}" in message
    assert str(HOME) in message
    assert "environment of its own" in message


def test_a_folder_that_merely_has_the_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    assert directory_of("planted_folder") is None
    assert directory_of("planted_nothing") is None


def test_the_program_ends_before_foreign_code_runs(tmp_path: Path) -> None:
    """A package of another distribution shadows ours: exit code 1, one sentence, and not a line of it executed."""
    foreign = tmp_path / "detectors"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("print('foreign code ran')\n")

    ended = subprocess.run(
        [sys.executable, "-c", "from controller.__main__ import main; main()", "version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("trimtab: controller is in ")
    assert f"detectors in {tmp_path}" in ended.stderr
    assert "Traceback" not in ended.stderr
