"""Reports as plain text, the way the command line prints them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from remediations.base import Right
from remediations.plan import StepClass
from runbooks.check import Failed, Footprint, LintReport, Tested, TestReport

_CLASSES = {
    StepClass.VALUE_IDEMPOTENT: "value-idempotent",
    StepClass.NAMED_CREATE: "named create",
    StepClass.PRECONDITIONED_DELETE: "delete with preconditions",
    StepClass.OPAQUE: "opaque, at most once",
}


def lint_text(report: LintReport) -> str:
    """One line per problem, or one that says that there is none."""
    if report.ok:
        return f"{_count(len(report.runbooks), 'runbook')}, no problems"
    return "\n".join(str(problem) for problem in report.problems)


def test_text(report: TestReport) -> str:
    """Each runbook with its tests, what it needs and what it touches; then the problems of those that do not load."""
    return "\n".join((*(_tested(tested) for tested in report.tested), *(str(problem) for problem in report.problems)))


test_text.__test__ = False  # type: ignore[attr-defined]  # pytest collects functions by this name


def _tested(tested: Tested) -> str:
    failed = [result for result in tested.results if isinstance(result, Failed)]
    total = _count(len(tested.results), "test")
    told = f"{len(failed)} of {total} failed" if failed else f"{total} passed" if tested.results else "no tests"
    lines = [f"{tested.runbook.name}  {told}", *(line for result in failed for line in _failed(result))]
    return "\n".join((*lines, *_footprint(tested.footprint)))


def _failed(result: Failed) -> Iterator[str]:
    yield f"  ✖ {result.name}"
    yield f"      expected {result.expected}, got {result.got}: {result.reason}"


def _footprint(footprint: Footprint) -> Iterator[str]:
    yield f"  needs   {_rights(footprint.needs)} (its namespace)"
    undo = "irreversible for automation" if footprint.irreversible else "can be undone"
    step_class = f"class {footprint.step_class.value} ({_CLASSES[footprint.step_class]})"
    yield f"  touches {_count(footprint.workloads, 'workload')}, {step_class}, {undo}"


def _rights(rights: Iterable[Right]) -> str:
    return ", ".join(f"{'/'.join(right.verbs)} {right.resource}" for right in rights)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
