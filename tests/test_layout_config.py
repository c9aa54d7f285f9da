"""The gates themselves: no rule is silenced without a reason, and the locks are whole and name no address."""

import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.layout import PACKAGES, ROOT

pytestmark = pytest.mark.checkout

PYPROJECT = ROOT / "pyproject.toml"
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

SILENCES = re.compile(r"noqa|type:\s*ignore|pragma:\s*no")
REASONED = re.compile(
    r"noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*\s*(-+|–|:)\s*\w+"  # which rules, and why
    r"|type:\s*ignore\[[a-z-]+(, ?[a-z-]+)*\]\s*#\s*\w+"
    r"|pragma: no \w+\s*(-+|–|:)\s*\w+"
)


def reasonless(comments: Iterator[str]) -> list[str]:
    """The comments that silence a rule without saying which one and why."""
    return [comment for comment in comments if SILENCES.search(comment) and not REASONED.search(comment)]


def comments_of(file: Path) -> Iterator[str]:
    """Every comment of a Python file, with its place."""
    for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield f"{file.relative_to(ROOT)}:{token.start[0]}: {token.string}"


def project() -> dict[str, list[str]]:
    """What each lock must hold, as requirements of `pyproject.toml`."""
    parsed = tomllib.loads(PYPROJECT.read_text())
    needed = parsed["project"]["dependencies"]
    extras = parsed["project"]["optional-dependencies"]
    return {
        "build.txt": parsed["build-system"]["requires"],
        "dev.txt": [*needed, *chain.from_iterable(extras.values())],
        "runtime.txt": [*needed, *extras["postgres"]],
    }


def pins(lock: Path) -> dict[str, list[str]]:
    """Name to versions: a universal lock may pin one package twice, for different interpreters."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+(?:\[.*?\])?)==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name.split("[")[0]), []).append(version)
    return found


def test_every_silenced_rule_in_the_code_carries_its_reason() -> None:
    files = (file for folder in (*PACKAGES, "tests", "bench", "scripts") for file in (ROOT / folder).rglob("*.py"))

    assert reasonless(chain.from_iterable(comments_of(file) for file in files)) == []


@pytest.mark.parametrize(
    ("comment", "accepted"),
    [
        ("# noqa", False),
        ("# noqa: PLC0415", False),
        ("# noqa: PLC0415 - late on purpose", True),
        ("# type: ignore", False),
        ("# type: ignore[arg-type]", False),
        ("# type: ignore[arg-type]  # the client publishes a wrong annotation", True),
        ("# pragma: no cover", False),
        ("# an ordinary comment", True),
    ],
)
def test_a_reason_is_more_than_a_code(comment: str, accepted: bool) -> None:
    assert (reasonless(iter([comment])) == []) is accepted


def test_every_rule_ignored_in_the_settings_carries_its_reason() -> None:
    ruff = PYPROJECT.read_text().split("[tool.ruff.lint]")[1].split("[tool.ruff.lint.flake8-bugbear]")[0]
    ignored = ruff[ruff.index("ignore = [") :]
    entries = [line.strip() for line in ignored.splitlines() if re.match(r'\s+"[A-Z]+\d*",', line)]

    assert len(entries) > 10
    assert [entry for entry in entries if not re.search(r"# \w+", entry)] == []


def test_every_accepted_warning_carries_its_reason() -> None:
    settings = PYPROJECT.read_text().split("filterwarnings = [")[1].split("\n]")[0]
    entries = [line.strip() for line in settings.splitlines() if line.strip().startswith(('"', "'"))]

    assert entries[0] == '"error",'
    assert [entry for entry in entries[1:] if not re.search(r"# \w+", entry)] == []


def test_there_is_a_lock_for_the_image_the_developer_and_the_build() -> None:
    assert [lock.name for lock in LOCKS] == sorted(project())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_address_and_no_place(lock: Path) -> None:
    found = re.findall(
        r".*(?:://|--index-url|--extra-index-url|--find-links|--trusted-host|/home/|/root/|/tmp/).*", lock.read_text()
    )

    assert found == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_holds_everything_that_is_asked_for_in_a_version_that_will_do(lock: Path) -> None:
    pinned = pins(lock)
    wanted = [Requirement(line) for line in project()[lock.name]]

    unmet = [
        str(need)
        for need in wanted
        if not pinned.get(canonicalize_name(need.name))
        or not all(need.specifier.contains(version) for version in pinned[canonicalize_name(need.name)])
    ]
    assert unmet == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_hash(lock: Path) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]

    assert blocks
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_image_and_the_developer_get_the_same_versions() -> None:
    developer = pins(ROOT / "requirements/dev.txt")
    image = pins(ROOT / "requirements/runtime.txt")

    assert {
        name: (versions, developer.get(name)) for name, versions in image.items() if developer.get(name) != versions
    } == {}


def test_the_documented_import_contracts_are_those_that_are_held() -> None:
    held = re.findall(r"^name = (.+)$", (ROOT / ".importlinter").read_text(), re.MULTILINE)
    documented = re.findall(r"^- (.+)$", (ROOT / "docs/reference/import-contracts.md").read_text(), re.MULTILINE)

    assert documented == held
