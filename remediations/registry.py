"""Which remediations there are. A built-in is registered like one from outside.

Others come from installed distributions by the entry-point group `trimtab.remediations`; the entry names a class
without arguments or an instance. A name stands for one remediation: a second one of the same name is an error, never
a silent replacement.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from remediations.base import Remediation, Right
from remediations.limits import Limits
from remediations.restart import Restart
from remediations.rollback import Rollback

GROUP = "trimtab.remediations"
BUILT_IN: tuple[type[Remediation], ...] = (Rollback, Limits, Restart)
_NAME = re.compile(r"[a-z][a-zA-Z0-9]{0,62}")
_MEMBERS = ("name", "targets", "step_class", "writes", "needs", "irreversible", "parameters", "plan", "verify")


class RegistryError(Exception):
    """A remediation cannot be registered, or is not there."""


class UnknownRemediation(RegistryError):
    """No remediation has this name; `nearest` is the one most likely meant."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        self.nearest = next(iter(difflib.get_close_matches(name, self.known, n=1)), None)
        hint = f" Did you mean {self.nearest}?" if self.nearest else ""
        super().__init__(f"{name} is no remediation.{hint} (known: {', '.join(self.known) or 'none'})")


class Registry:
    """Remediations by name."""

    def __init__(self, remediations: Iterable[Remediation] = ()) -> None:
        self._by_name: dict[str, Remediation] = {}
        for remediation in remediations:
            self.register(remediation)

    def register(self, remediation: Remediation) -> None:
        """Add one; raises `RegistryError` for a name that is taken or no name, and for what is no remediation."""
        missing = [member for member in _MEMBERS if not hasattr(remediation, member)]
        if missing:
            raise RegistryError(
                f"{remediation!r} is no remediation: it lacks {', '.join(missing)} (see remediations/base.py)"
            )
        if not _NAME.fullmatch(remediation.name):
            raise RegistryError(
                f"{remediation.name!r} is no name of a runbook step: letters and digits, a small letter first"
            )
        if remediation.name in self._by_name:
            taken = type(self._by_name[remediation.name])
            raise RegistryError(
                f"{remediation.name} is taken by {taken.__module__}.{taken.__qualname__}: rename or uninstall one"
            )
        self._by_name[remediation.name] = remediation

    def load(self, entries: Iterable[EntryPoint]) -> None:
        """Register what entry points name; raises `RegistryError` with the entry when one cannot be loaded."""
        for entry in sorted(entries, key=lambda entry: entry.name):
            try:
                loaded = entry.load()
                remediation = loaded() if isinstance(loaded, type) else loaded
            except Exception as cause:
                raise RegistryError(
                    f"entry point {entry.name} = {entry.value} of {GROUP} cannot load ({cause}): repair or remove it"
                ) from cause
            self.register(cast("Remediation", remediation))

    def __getitem__(self, name: str) -> Remediation:
        if name not in self._by_name:
            raise UnknownRemediation(name, self._by_name)
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Remediation]:
        return iter(self._by_name[name] for name in sorted(self._by_name))

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, sorted."""
        return tuple(sorted(self._by_name))


def shipped() -> Registry:
    """The remediations that come with trimtab."""
    return Registry(built_in() for built_in in BUILT_IN)


def installed() -> Registry:
    """The shipped ones and those of other installed distributions."""
    registry = shipped()
    registry.load(entry_points(group=GROUP))
    return registry


def rights_for(remediation: Remediation, kinds: Iterable[str]) -> tuple[Right, ...]:
    """What it needs when it acts on these kinds only: rights on workloads of other kinds that it could act on are
    left out.
    """
    wanted = {_plural(kind) for kind in kinds}
    others = {_plural(kind) for kind in remediation.targets} - wanted
    return tuple(right for right in remediation.needs if right.resource not in others)


def _plural(kind: str) -> str:
    return f"{kind.lower()}s"
