"""What make crds writes is in the repository as it would be written now."""

import shutil
from pathlib import Path

import pytest
import yaml

from controller.api import rightspage
from controller.api.__main__ import main
from controller.api.crd import crds
from controller.api.read import any_from_file
from controller.api.reference import page
from tests.layout import ROOT

pytestmark = pytest.mark.checkout

CHART = ROOT / "charts/trimtab"


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_chart_holds_what_the_code_says(tmp_path: Path) -> None:
    shutil.copytree(CHART, tmp_path / "chart")

    main(tmp_path / "chart")

    assert files(tmp_path / "chart") == files(CHART)


def test_what_is_no_longer_made_goes(tmp_path: Path) -> None:
    main(tmp_path / "chart")
    (tmp_path / "chart/templates/crds/old.yaml").write_text("old")

    main(tmp_path / "chart")

    assert sorted(path.stem for path in (tmp_path / "chart/templates/crds").iterdir()) == sorted(
        crd["spec"]["names"]["plural"] for crd in crds()
    )


def test_the_reference_page_says_what_the_crds_say() -> None:
    assert (ROOT / "docs/reference/crds.md").read_text() == page()


def test_the_rights_page_says_what_the_roles_say() -> None:
    assert (ROOT / "docs/reference/rights.md").read_text() == rightspage.page()


@pytest.mark.parametrize(
    "promise",
    ["3 in a namespace, 10 in the cluster", "never before 20 verified outcomes", "15 minutes", "workload | 1 |"],
)
def test_the_reference_page_states_the_defaults(promise: str) -> None:
    assert promise in page()


def test_nothing_is_left_for_helm_to_expand_in_a_crd() -> None:
    for path in (CHART / "templates/crds").iterdir():
        lines = path.read_text().splitlines()
        assert lines[1] == "{{- if .Values.crds.install }}"
        assert lines[-1] == "{{- end }}"
        assert yaml.safe_load("\n".join(lines[2:-1])) in crds()


@pytest.mark.parametrize("path", sorted((ROOT / "docs/examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_of_the_docs_reads_strictly(path: Path) -> None:
    any_from_file(path.read_text(), path.name)
