"""Refuses to run when the four packages are not one installation.

The import names (`detectors`, `remediations`, `runbooks`, `controller`) are generic, so another distribution may well
bring a package of the same name, and a program that changes clusters must not run half of somebody else's code.
Compares directories only: it promises that the packages lie side by side, not that nobody edited them.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("detectors", "remediations", "runbooks", "controller")

REMEDY = "Install trimtab into an environment of its own, or use its image, and start it away from such folders."


class MixedInstallation(Exception):
    """The packages of trimtab come from different directories, or one is missing."""


def refuse_mixed_installation() -> None:
    """Raise MixedInstallation unless this interpreter finds all four packages in one directory."""
    refuse_mixed({package: directory_of(package) for package in PACKAGES})


def directory_of(package: str) -> Path | None:
    """The directory that holds `package` on the import path, without importing it; None when there is no such package.

    A folder without `__init__.py` is a namespace package, which is none of ours: None as well.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent.parent


def refuse_mixed(found: Mapping[str, Path | None]) -> None:
    """Raise MixedInstallation, naming every package and its place, unless all lie in the directory of `controller`."""
    home = found["controller"]
    strays = {package: place for package, place in found.items() if place is None or place != home}
    if not strays:
        return
    places = "; ".join(f"{package} in {place or 'no place at all'}" for package, place in strays.items())
    raise MixedInstallation(f"controller is in {home}, but {places}. These are not one installation. {REMEDY}")
