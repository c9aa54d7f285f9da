"""A run that decides skips nothing for want of a tool."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.layout import ROOT

IN_A_TEST = "import pytest\ndef test_server():\n    pytest.skip({reason!r})\n"
IN_A_FIXTURE = """
import pytest

@pytest.fixture
def server():
    pytest.skip({reason!r})

def test_server(server):
    assert server
"""
IN_A_FILE = "import pytest\npytest.skip({reason!r}, allow_module_level=True)\n"


def closing(folder: Path, source: str, *, ci: str) -> tuple[int, str]:
    """Exit code and output of a run over one file."""
    (folder / "test_planted.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.strict", "-p", "no:cacheprovider", "-rsf", str(folder)]
    environment = {"CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    return ended.returncode, ended.stdout


@pytest.mark.parametrize("source", [IN_A_TEST, IN_A_FIXTURE, IN_A_FILE], ids=["test", "fixture", "file"])
def test_under_ci_a_missing_tool_fails_with_its_sentence(tmp_path: Path, source: str) -> None:
    code, said = closing(tmp_path, source.format(reason="Prometheus is not installed: make tools"), ci="true")

    assert code != 0
    assert "Prometheus is not installed: make tools" in said
    assert "1 skipped" not in said


@pytest.mark.parametrize("source", [IN_A_TEST, IN_A_FIXTURE, IN_A_FILE], ids=["test", "fixture", "file"])
def test_elsewhere_it_is_a_skip_with_the_same_sentence(tmp_path: Path, source: str) -> None:
    code, said = closing(tmp_path, source.format(reason="Prometheus is not installed: make tools"), ci="")

    assert code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    assert "Prometheus is not installed: make tools" in said
    assert "1 skipped" in said


def test_a_missing_docker_engine_is_never_a_failure(tmp_path: Path) -> None:
    code, said = closing(tmp_path, IN_A_TEST.format(reason="no Docker engine answers"), ci="true")

    assert code == pytest.ExitCode.OK
    assert "1 skipped" in said
