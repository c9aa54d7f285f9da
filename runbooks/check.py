"""Lint, and the tests inside each runbook: what `trimtab runbook lint | test` say.

Promises that a runbook's own tests run through the same matching as an incident, and that a failing one tells what
happened instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, assert_never

from pydantic import JsonValue

from remediations.base import Right
from remediations.plan import StepClass
from remediations.registry import Registry, rights_for, shipped
from runbooks import given
from runbooks.load import Loaded, Located, load_paths, parameters
from runbooks.match import Match, NoMatch, Reason, consider
from runbooks.problem import Problem
from runbooks.schema import Expected, Runbook, Test


@dataclass(frozen=True, slots=True)
class Passed:
    """The test got what it expects."""

    name: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The test got something else: both sides and the reason in words."""

    name: str
    expected: str
    got: str
    reason: str


Result: TypeAlias = Passed | Failed


@dataclass(frozen=True, slots=True)
class Footprint:
    """What running a runbook needs and touches, from the remediations it names."""

    needs: tuple[Right, ...]
    step_class: StepClass
    irreversible: bool
    workloads: int = 1


@dataclass(frozen=True, slots=True)
class Tested:
    """One runbook's tests."""

    runbook: Runbook
    results: tuple[Result, ...]
    footprint: Footprint

    @property
    def passed(self) -> bool:
        """True when there are tests and all of them pass."""
        return bool(self.results) and all(isinstance(result, Passed) for result in self.results)


@dataclass(frozen=True, slots=True)
class TestReport:
    """The tests of every runbook that loads, and the problems of those that do not."""

    __test__ = False  # pytest collects classes by this name

    tested: tuple[Tested, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """True when everything loads and every test passes."""
        return not self.problems and bool(self.tested) and all(tested.passed for tested in self.tested)


@dataclass(frozen=True, slots=True)
class LintReport:
    """The runbooks read, and everything wrong with them."""

    runbooks: tuple[Runbook, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


def lint(paths: Iterable[Path], remediations: Registry | None = None) -> LintReport:
    """Read files and folders strictly. Each runbook must also have a test that acts and one that must not."""
    loaded = load_paths(paths, remediations)
    untested = (problem for located in loaded.found for problem in _untested(located))
    return LintReport(loaded.runbooks, (*loaded.problems, *untested))


def run_tests(paths: Iterable[Path], remediations: Registry | None = None) -> TestReport:
    """Run the tests of every runbook in files and folders."""
    registry = shipped() if remediations is None else remediations
    loaded: Loaded = load_paths(paths, registry)
    return TestReport(tuple(test(runbook, registry) for runbook in loaded.runbooks), loaded.problems)


def test(runbook: Runbook, remediations: Registry) -> Tested:
    """Run one runbook's tests."""
    results = tuple(_run(runbook, case, remediations) for case in runbook.spec.tests)
    return Tested(runbook, results, footprint(runbook, remediations))


test.__test__ = False  # type: ignore[attr-defined]  # pytest collects functions by this name


def footprint(runbook: Runbook, remediations: Registry) -> Footprint:
    """The rights a runbook needs for the kinds it targets, and the worst of what its steps are."""
    steps = [remediations[step.remediation] for step in runbook.spec.steps]
    needs = (right for step in steps for right in rights_for(step, runbook.spec.targets))
    return Footprint(
        needs=tuple(dict.fromkeys(needs)),
        step_class=max((step.step_class for step in steps), key=lambda step_class: step_class.value),
        irreversible=any(step.irreversible for step in steps),
    )


def _run(runbook: Runbook, case: Test, remediations: Registry) -> Result:
    answer = consider(given.evidence(case.given), runbook, runbook.spec.targets[0])
    got = _first_step(answer, remediations)
    if _fits(case.expect, got):
        return Passed(case.name)
    return Failed(case.name, _told(_wanted(case.expect)), _told(got), _reason(answer))


def _first_step(answer: Match | NoMatch, remediations: Registry) -> dict[str, JsonValue] | None:
    """The step taken first with all of its parameters, defaults included; None for nothing."""
    match answer:
        case NoMatch():
            return None
        case Match():
            step = answer.runbook.spec.steps[0]
            chosen = parameters(step, remediations[step.remediation])
            return {"step": step.remediation, **chosen.model_dump(mode="json", by_alias=True)}
        case _:
            assert_never(answer)


def _wanted(expect: str | Expected) -> dict[str, JsonValue] | None:
    return {"step": expect.step, **expect.parameters} if isinstance(expect, Expected) else None


def _fits(expect: str | Expected, got: dict[str, JsonValue] | None) -> bool:
    wanted = _wanted(expect)
    if wanted is None or got is None:
        return wanted is got
    return all(name in got and got[name] == value for name, value in wanted.items())


def _told(step: dict[str, JsonValue] | None) -> str:
    if step is None:
        return "nothing"
    shown = ", ".join(f"{name}: {value}" for name, value in step.items() if name != "step" and value is not None)
    return f"{step['step']} {{{shown}}}" if shown else str(step["step"])


def _reason(answer: Match | NoMatch) -> str:
    match answer:
        case Match():
            return ", ".join(str(fact) for fact in answer.why)
        case NoMatch():
            reason: Reason = answer.reason
            return str(reason)
        case _:
            assert_never(answer)


def _untested(located: Located) -> Iterator[Problem]:
    tests = located.runbook.spec.tests
    acts = any(isinstance(case.expect, Expected) for case in tests)
    holds = any(not isinstance(case.expect, Expected) for case in tests)
    lacking = [text for there, text in ((acts, "one that acts"), (holds, "one that expects nothing")) if not there]
    if lacking:
        message = f"{located.runbook.name} needs more tests: {' and '.join(lacking)}"
        yield Problem(located.file, located.line, 1, message, "spec.tests")
