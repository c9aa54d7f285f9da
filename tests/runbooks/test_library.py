"""The shipped runbooks: clean, tested in their own files, and conservative."""

from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest

from remediations.registry import shipped
from runbooks.check import Failed, lint, run_tests, test
from runbooks.expression import uses
from runbooks.load import from_object, library
from runbooks.match import Match, match
from runbooks.schema import Expected, Runbook
from tests.runbooks.test_match import CHECKOUT

LIBRARY = library()
IDS = [shipped_runbook.name for shipped_runbook in LIBRARY]


@pytest.fixture
def folder() -> Path:
    return Path(str(resources.files("runbooks") / "library"))


def changed(example: Runbook, **fields: str | None) -> Runbook:
    """The runbook with other conditions."""
    stored = example.to_object()
    stored["spec"] = {name: value for name, value in {**stored["spec"], **fields}.items() if value is not None}
    found = from_object(stored)
    assert isinstance(found, Runbook), found
    return found


def failures(example: Runbook) -> list[str]:
    return [result.name for result in test(example, shipped()).results if isinstance(result, Failed)]


def test_the_library_lints_clean_and_passes_its_own_tests(folder: Path) -> None:
    assert lint([folder]).problems == ()
    assert run_tests([folder]).ok


def test_each_file_is_named_after_its_runbook(folder: Path) -> None:
    assert sorted(file.stem for file in folder.glob("*.yaml")) == IDS


def test_every_built_in_remediation_has_a_runbook() -> None:
    used = {step.remediation for example in LIBRARY for step in example.spec.steps}

    assert used == set(shipped().names)


@pytest.mark.parametrize("example", LIBRARY, ids=IDS)
def test_a_when_that_never_holds_makes_its_tests_fail(example: Runbook) -> None:
    acting = [case.name for case in example.spec.tests if isinstance(case.expect, Expected)]

    assert failures(changed(example, when="false")) == acting


@pytest.mark.parametrize("example", LIBRARY, ids=IDS)
def test_a_when_that_always_holds_makes_its_tests_fail(example: Runbook) -> None:
    assert failures(changed(example, when="true", whenNot=None))


@pytest.mark.parametrize("example", LIBRARY, ids=IDS)
def test_a_runbook_without_its_veto_makes_its_tests_fail(example: Runbook) -> None:
    assert failures(changed(example, whenNot=None))


def terms(condition: str | None, operator: str) -> tuple[str, ...]:
    return tuple(" ".join(term.split()) for term in (condition or "").split(operator)) if condition else ()


TERMS = [
    pytest.param(example, field, operator, term, id=f"{example.name}: {term}")
    for example in LIBRARY
    for field, condition, operator in (("when", example.spec.when, "&&"), ("whenNot", example.spec.when_not, "||"))
    for term in terms(condition, operator)
]


@pytest.mark.parametrize(("example", "field", "operator", "term"), TERMS)
def test_no_term_of_a_condition_can_be_dropped_unnoticed(
    example: Runbook, field: str, operator: str, term: str
) -> None:
    """Each term is there because of a case in which acting would be wrong, and that case is a test in the file."""
    condition = {"when": example.spec.when, "whenNot": example.spec.when_not}[field]
    rest = f" {operator} ".join(other for other in terms(condition, operator) if other != term)

    assert failures(changed(example, **{field: rest or {"when": "true"}.get(field)}))


@pytest.mark.parametrize("example", LIBRARY, ids=IDS)
def test_a_shipped_runbook_asks_about_changes_before_it_acts(example: Runbook) -> None:
    named = {*uses(example.spec.when), *uses(example.spec.when_not or "")}

    # `canary.…` is about a change that is under way.
    assert any(name.startswith(("changes.rollout.", "canary.")) for name in named)


def test_on_one_crash_loop_after_a_rollout_exactly_the_rollback_matches() -> None:
    found = match(
        {
            "objects.crashLooping.count": 7,
            "objects.crashLooping.share": 0.58,
            "objects.oomKilled.count": 0,
            "objects.oomKilled.share": 0.0,
            "objects.imagePull.count": 0,
            "objects.notReady.count": 7,
            "objects.stuckRollout": True,
            "changes.rollout.age": timedelta(minutes=2),
            "changes.rollout.recent": True,
            "changes.rollout.onlyNewFails": True,
            "changes.rollout.previousAlsoFailed": False,
            "replicas.desired": 12,
            "replicas.ready": 5,
            "replicas.updated": 12,
            "signals.errors.abnormal": True,
            "signals.errors.value": 0.041,
            "alerts.firing": True,
            "memory.limit": 128 * 2**20,
        },
        LIBRARY,
        CHECKOUT,
    )

    assert [(type(found_one), found_one.runbook.name) for found_one in found.matches] == [
        (Match, "crash-loop-after-rollout")
    ]
