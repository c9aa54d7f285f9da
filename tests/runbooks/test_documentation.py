"""docs/reference/runbooks.md says what the code does: fields, facts, functions, remediations, examples."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediations.registry import shipped
from runbooks.causes import CAUSES
from runbooks.check import lint, run_tests
from runbooks.evidence import FACTS
from runbooks.expression import FUNCTIONS, MAX_COMMAS, MAX_LENGTH
from runbooks.load import library
from runbooks.render import lint_text, test_text
from tests.layout import ROOT
from tests.runbooks.test_schema import NODES

pytestmark = pytest.mark.checkout

PAGE = ROOT / "docs" / "reference" / "runbooks.md"


def rows(heading: str) -> list[str]:
    """The body rows of the table under a heading."""
    section = PAGE.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def field_rows() -> Iterator[str]:
    for path, node in NODES:
        if path == "spec" or path.endswith("[]"):
            continue
        default = f" Default `{node['default']}`." if node.get("default") else ""
        yield f"| `{path}` | {node['description'].rstrip('.')}.{default} |"


def test_every_field_is_documented_as_the_code_has_it() -> None:
    assert rows("Fields") == list(field_rows())


def test_every_fact_is_documented_as_the_code_has_it() -> None:
    assert rows("Facts") == [f"| `{fact.name}` | {fact.type} | {fact.meaning} |" for fact in FACTS]


def test_every_cause_is_documented_as_the_code_has_it() -> None:
    assert rows("Causes") == [f"| `{name}` | {meaning} |" for name, meaning in CAUSES.items()]


def test_every_remediation_is_documented_with_its_parameters() -> None:
    documented = []
    for remediation in shipped():
        defaults = {
            name: field.default
            for name, field in remediation.parameters.model_fields.items()
            if field.default is not None
        }
        written = ", ".join(f"{name}: {value}" for name, value in defaults.items())
        undo = "no" if remediation.irreversible else "yes"
        kinds = ", ".join(sorted(remediation.targets))
        documented.append(
            f"| `{remediation.name}: {{{written}}}` | {kinds} | {remediation.step_class.value} | {undo} |"
        )

    assert rows("Remediations") == documented


def test_every_shipped_runbook_is_documented() -> None:
    assert rows("Shipped runbooks") == [
        f"| `{found.name}` | {found.spec.summary} | {found.spec.steps[0].remediation} |" for found in library()
    ]


def test_the_functions_and_bounds_of_conditions_are_documented() -> None:
    page = PAGE.read_text()

    assert ", ".join(f"`{name}`" for name in FUNCTIONS) in " ".join(page.split())
    assert f"{MAX_LENGTH} bytes" in page
    assert f"{MAX_COMMAS} commas" in page


def test_the_example_says_what_the_page_says_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = blocks("yaml")
    tested, linted = (block.partition("\n")[2].rstrip() for block in blocks("console"))
    file = tmp_path / "crash-loop-after-rollout.yaml"
    file.write_text(example)
    (tmp_path / "my.yaml").write_text(example.replace("crashLooping.share >=", "crashLoping.share >="))
    monkeypatch.chdir(tmp_path)

    assert test_text(run_tests([file])) == tested
    assert lint_text(lint([Path("my.yaml")])) == linted
