"""Lint and the tests inside a runbook: what the command line says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from remediations.registry import shipped
from runbooks.check import Failed, Passed, lint, run_tests, test
from runbooks.render import lint_text, test_text
from runbooks.template import template
from tests.runbooks.examples import EXAMPLE, runbook

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a runbook and give its path."""

    def written(text: str) -> Path:
        file = tmp_path / "my.yaml"
        file.write_text(text)
        return file

    return written


def test_the_report_of_tests_reads_like_the_documentation(write: Write) -> None:
    report = run_tests([write(EXAMPLE)])

    assert report.ok
    assert test_text(report) == (
        "crash-loop-after-rollout  2 tests passed\n"
        "  needs   patch deployments, list replicasets (its namespace)\n"
        "  touches 1 workload, class A (value-idempotent), irreversible for automation"
    )


def test_a_failing_test_tells_what_happened_instead_and_why(write: Write) -> None:
    report = run_tests([write(EXAMPLE.replace(">= 0.5", ">= 0.9"))])

    assert not report.ok
    assert test_text(report).splitlines()[:3] == [
        "crash-loop-after-rollout  1 of 2 tests failed",
        "  ✖ crash loop two minutes after a rollout",
        (
            "      expected rollback {to: lastHealthy}, got nothing:"
            " when is false (objects.crashLooping.share 0.6, changes.rollout.age 2m)"
        ),
    ]


def test_acting_where_nothing_is_expected_fails() -> None:
    example = runbook(EXAMPLE.replace("  whenNot: changes.rollout.previousAlsoFailed\n", ""))

    acted, held = test(example, shipped()).results

    assert isinstance(acted, Passed)
    assert isinstance(held, Failed)
    assert (held.expected, held.got) == ("nothing", "rollback {to: lastHealthy}")


def test_a_fact_left_out_of_given_is_missing_and_the_failure_says_so() -> None:
    example = runbook(EXAMPLE.replace("{age: 2m, previousAlsoFailed: false}", "{age: 2m}"))

    failed = test(example, shipped()).results[0]

    assert isinstance(failed, Failed)
    assert failed.reason == "whenNot cannot be told: changes.rollout.previousAlsoFailed missing"


@pytest.mark.parametrize(
    ("written", "expected", "passes"),
    [
        ("{factor: 2.0}", "factor: 2.0", True),
        ("{factor: 2.0}", "factor: 1.5", False),
        ("{}", "factor: 1.5, max: 4Gi", True),
    ],
    ids=["same", "other", "default"],
)
def test_expected_parameters_are_compared_with_those_in_force(written: str, expected: str, passes: bool) -> None:
    text = EXAMPLE.replace("rollback: {to: lastHealthy}", f"limits: {written}")

    example = runbook(text.replace("step: rollback, to: lastHealthy", f"step: limits, {expected}"))

    assert isinstance(test(example, shipped()).results[0], Passed) is passes


def test_rights_are_those_for_the_kinds_it_targets(write: Write) -> None:
    text = EXAMPLE.replace("rollback: {to: lastHealthy}", "limits: {}").replace(
        "step: rollback, to: lastHealthy", "step: limits"
    )

    assert "  needs   patch deployments (its namespace)\n" in test_text(run_tests([write(text)]))
    assert "can be undone" in test_text(run_tests([write(text)]))


def test_lint_prints_one_line_per_problem(write: Write) -> None:
    file = write(EXAMPLE.replace("crashLooping.share >=", "crashLoping.share >="))

    assert lint_text(lint([file])) == (
        f"{file}:7:9: objects.crashLoping does not exist. Did you mean objects.crashLooping?"
        " (known: crashLooping, oomKilled, imagePull, …)"
    )


def test_lint_is_content_with_the_example(write: Write) -> None:
    report = lint([write(EXAMPLE)])

    assert report.ok
    assert lint_text(report) == "1 runbook, no problems"


@pytest.mark.parametrize(
    ("expected", "lacking"),
    [
        (None, "one that acts and one that expects nothing"),
        ("nothing", "one that acts"),
        ("{step: rollback}", "one that expects nothing"),
    ],
    ids=["no-tests", "only-nothing", "only-acting"],
)
def test_lint_wants_a_test_that_acts_and_one_that_must_not(write: Write, expected: str | None, lacking: str) -> None:
    text = EXAMPLE[: EXAMPLE.index("  tests:")]
    if expected is not None:
        text += f"  tests:\n    - {{name: x, given: {{}}, expect: {expected}}}\n"

    (problem,) = lint([write(text)]).problems

    assert problem.message == f"crash-loop-after-rollout needs more tests: {lacking}"


def test_a_runbook_that_does_not_load_has_no_passing_tests(write: Write) -> None:
    report = run_tests([write(EXAMPLE.replace("cause:", "case:"))])

    assert not report.ok
    assert len(report.problems) == 2


def test_no_tests_is_not_success(write: Write) -> None:
    report = run_tests([write(EXAMPLE[: EXAMPLE.index("  tests:")])])

    assert not report.ok
    assert test_text(report).startswith("crash-loop-after-rollout  no tests\n")


def test_a_new_runbook_lints_clean_and_passes_its_tests(write: Write) -> None:
    file = write(template("my-runbook"))

    assert lint([file]).ok
    assert run_tests([file]).ok


@pytest.mark.parametrize("name", ["", "Mine", "a b", "-a", "a" * 64, "a\nb"])
def test_a_new_runbook_needs_a_name_the_api_server_takes(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a runbook"):
        template(name)
