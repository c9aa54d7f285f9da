"""The wheel: the four packages with everything in them, and nothing else of the repository."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.layout import PACKAGES, ROOT

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout, built as `.ci/run` builds it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = folder.glob("trimtab-*.whl")
    return zipfile.ZipFile(file)


def test_a_wheel_holds_the_four_packages_and_nothing_beside_them(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    (metadata,) = tops - set(PACKAGES)

    assert set(PACKAGES) < tops
    assert re.fullmatch(r"trimtab-[\d.]+\.dist-info", metadata)


def test_every_file_of_a_package_reaches_the_wheel(wheel: zipfile.ZipFile) -> None:
    """Code, and what is read at run time: shipped runbooks, templates, static files, migrations."""
    files = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and not ignored(file)
    }

    assert files - set(wheel.namelist()) == set()


def ignored(file: Path) -> bool:
    """Bytecode is made anew wherever the wheel is installed."""
    return "__pycache__" in file.parts


def test_the_wheel_carries_licence_and_console_script(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]

    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())
    assert "trimtab = controller.__main__:main" in wheel.read(entry_points).decode()
