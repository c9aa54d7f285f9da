"""Writes what the chart takes from the code: `python -m controller.api CHART` (see scripts/crds).

CRDs as templates, the rules of its roles, and, beside a chart in a checkout, the reference page.
"""

from __future__ import annotations

import sys
from pathlib import Path

from controller.api.crd import HEADER, template
from controller.api.manifest import to_yaml
from controller.api.reference import page as reference_page
from controller.api.rights import CLUSTER, OBSERVE, acting_rules, own
from controller.api.rightspage import page as rights_page
from controller.api.v1alpha1.kinds import KINDS
from controller.core import preset_page
from remediations.registry import shipped
from runbooks.load import library

LEASE = "LEASE-NAME"
"""Stands in the rules of our own namespace for the name that the chart puts there."""


def main(chart: Path) -> None:
    """Write every generated file anew, and remove those that are no longer made."""
    replace(chart / "templates/crds", {f"{kind.resource.plural}.yaml": template(kind) for kind in KINDS})
    replace(chart / "files/rights", rights())
    reference = chart.parent.parent / "docs/reference"
    if reference.is_dir():
        (reference / "crds.md").write_text(reference_page())
        (reference / "rights.md").write_text(rights_page())
        (reference / "metrics-presets.md").write_text(preset_page.page())


def rights() -> dict[str, str]:
    """The rules of the chart's roles, as lists that its templates read."""
    sets = {"observe": OBSERVE, "cluster": CLUSTER, "own": own(LEASE), "act": acting_rules(library(), shipped())}
    return {f"{name}.yaml": HEADER + to_yaml([rule.manifest() for rule in rules]) for name, rules in sets.items()}


def replace(folder: Path, files: dict[str, str]) -> None:
    """Make the folder hold exactly these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
