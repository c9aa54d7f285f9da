"""Who may import whom: every contract of `.importlinter` is proved to fail when it is violated."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.layout import PACKAGES, ROOT

pytestmark = pytest.mark.checkout

VIOLATIONS = {
    "layers": ("detectors/planted.py", "import controller"),
    "rooms": ("controller/observe/planted.py", "import controller.loops.incidents"),
    "adapters": ("controller/adapters/planted.py", "import controller.adapters.other_planted"),
    "composition": ("controller/runtime/planted.py", "import controller.adapters.other_planted"),
    "loops": ("controller/loops/planted.py", "import controller.app"),
    "lab": ("controller/lab/planted.py", "import controller.adapters.other_planted"),
    "imagined": ("controller/loops/planted.py", "import controller.lab.apiserver"),
    "demo": ("controller/serving/planted.py", "import controller.demo.reading"),
    "pure": ("controller/core/planted.py", "import time"),
    "kubernetes": ("controller/runtime/planted.py", "import kubernetes.aio"),
    "prometheus": ("controller/adapters/planted.py", "import prometheus_api_client"),
    "slack": ("controller/planted.py", "from slack_sdk.web.async_client import AsyncWebClient"),
    "claude": ("controller/core/planted.py", "import anthropic"),
    "database": ("controller/runtime/planted.py", "import sqlite3"),
    "clock": ("controller/runtime/planted.py", "import apscheduler.schedulers.asyncio"),
    "expressions": ("runbooks/planted.py", "import cel_expr_python"),
    "web": ("controller/runtime/planted.py", "import fastapi"),
}


def contracts() -> dict[str, str]:
    """Identifier to sentence, as `.importlinter` has them."""
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {name.removeprefix(prefix): parsed[name]["name"] for name in parsed.sections() if name.startswith(prefix)}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The four packages and the contracts, with one more adapter and a composition root to import."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / "controller/adapters/other_planted.py").touch()
    (tmp_path / "controller/app.py").touch()
    return tmp_path


def lint(folder: Path, *, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run import-linter in `folder`, on every contract or on one."""
    program = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
    chosen = [] if contract is None else ["--contract", contract]
    return subprocess.run(
        [*program, *chosen], cwd=folder, capture_output=True, text=True, check=False, env={"COLUMNS": "500", "PATH": ""}
    )


def test_every_contract_has_a_violation_that_proves_it() -> None:
    assert set(VIOLATIONS) == set(contracts())


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_violation_of_a_contract_is_found_and_said_in_a_sentence(copy: Path, contract: str) -> None:
    file, code = VIOLATIONS[contract]
    (copy / file).write_text(code + "\n")

    result = lint(copy, contract=contract)

    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contracts()[contract]} BROKEN" in result.stdout


def test_modules_of_one_adapter_may_know_each_other(copy: Path) -> None:
    package = copy / "controller/adapters/planted"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "client.py").touch()
    (package / "watch.py").write_text("import controller.adapters.planted.client\n")

    result = lint(copy, contract="adapters")
    protected = lint(copy, contract="composition")

    assert (result.returncode, protected.returncode) == (0, 0), result.stdout + protected.stdout
