"""Runbooks on the command line: lint, test, new, and the roles they need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from controller.api.manifest import documents
from controller.api.rbac import Nowhere, roles_for
from controller.api.rights import ServiceAccount, rules_for
from controller.cli.exits import Exit
from controller.cli.screen import Ended, Format, Screen
from controller.core.words import markdown
from controller.settings import Settings
from remediations.registry import installed
from runbooks import check
from runbooks.load import load_path
from runbooks.problem import Problem
from runbooks.render import lint_text, test_text
from runbooks.template import template


def lint(screen: Screen, paths: Sequence[Path]) -> Exit:
    """Everything wrong with these runbooks."""
    report = check.lint(paths, installed())
    match screen.format:
        case Format.JSON:
            problems = [_problem(problem) for problem in report.problems]
            screen.json({"runbooks": [runbook.name for runbook in report.runbooks], "problems": problems})
        case Format.MARKDOWN:
            for problem in report.problems:
                screen.text(f"- {markdown(str(problem))}")
            if report.ok:
                screen.text(f"- {lint_text(report)}")
        case Format.TEXT:
            screen.text(lint_text(report))
    return Exit.OK if report.ok else _failed(report.problems)


def test(screen: Screen, paths: Sequence[Path]) -> Exit:
    """The tests inside these runbooks."""
    report = check.run_tests(paths, installed())
    match screen.format:
        case Format.JSON:
            screen.json(
                {
                    "runbooks": [_tested(tested) for tested in report.tested],
                    "problems": [_problem(problem) for problem in report.problems],
                }
            )
        case Format.MARKDOWN:
            screen.text(f"```\n{test_text(report)}\n```")
        case Format.TEXT:
            screen.text(test_text(report))
    return Exit.OK if report.ok else _failed(report.problems)


def new(screen: Screen, name: str, file: Path | None) -> Exit:
    """Write a runbook to start from; never over a file that is there."""
    try:
        text = template(name)
    except ValueError as error:
        raise Ended(str(error), Exit.USAGE) from error
    path = file or Path(f"{name}.yaml")
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise Ended(f"{path} is there already → name another with --file", Exit.FAILED) from error
    except OSError as error:
        raise Ended(f"{path} cannot be written: {error.strerror}", Exit.FAILED) from error
    screen.marked("✔", str(path), "green")
    screen.text(f"next: trimtab runbook test {path}")
    return Exit.OK


def rbac(screen: Screen, settings: Settings, folder: Path, namespaces: Sequence[str], account: str) -> Exit:
    """Roles and bindings for the runbooks of a folder. The program never writes them itself."""
    registry = installed()
    loaded = load_path(folder, registry)
    if loaded.problems:
        for problem in loaded.problems:
            screen.problem(str(problem))
        return _failed(loaded.problems)
    everywhere = tuple(namespaces) or tuple(settings.act_namespaces)
    try:
        manifests = roles_for(loaded.runbooks, everywhere, ServiceAccount(settings.namespace, account), registry)
    except Nowhere as error:
        raise Ended(str(error), Exit.USAGE) from error
    for rule in rules_for(loaded.runbooks, registry):
        screen.text(f"# {', '.join(rule.verbs)} {', '.join(rule.resources)}: {rule.why}")
    screen.text(documents(manifests).rstrip("\n"))
    return Exit.OK


def _failed(problems: Sequence[Problem]) -> Exit:
    """A file that is not there is not found; everything else failed."""
    lost = [problem for problem in problems if problem.line == 0 and not Path(problem.file).exists()]
    return Exit.NOT_FOUND if lost and len(lost) == len(problems) else Exit.FAILED


def _problem(problem: Problem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "column": problem.column, "message": problem.message}


def _tested(tested: check.Tested) -> dict[str, Any]:
    footprint = tested.footprint
    return {
        "name": tested.runbook.name,
        "passed": tested.passed,
        "tests": [
            {"name": result.name, "passed": True}
            if isinstance(result, check.Passed)
            else {
                "name": result.name,
                "passed": False,
                "expected": result.expected,
                "got": result.got,
                "reason": result.reason,
            }
            for result in tested.results
        ],
        "needs": [f"{verb} {right.resource}" for right in footprint.needs for verb in right.verbs],
        "class": footprint.step_class.value,
        "irreversible": footprint.irreversible,
    }
