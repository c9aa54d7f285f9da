"""Who may answer: the settings' list, which a policy may narrow and never widen. No list means nobody (S19)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def members(entries: Iterable[str], groups: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The usernames behind `group:NAME` and usernames (also as `user:NAME`); a group nobody defined has no members."""
    found: set[str] = set()
    for entry in entries:
        if entry.startswith("group:"):
            found.update(groups.get(entry.removeprefix("group:"), ()))
        else:
            found.add(entry.removeprefix("user:"))
    return frozenset(found - {""})


def allowed(
    everywhere: Iterable[str], here: Iterable[str] | None, groups: Mapping[str, Iterable[str]]
) -> frozenset[str]:
    """The usernames that may answer under a policy which names `here` (None: it does not narrow)."""
    all_of_them = members(everywhere, groups)
    return all_of_them if here is None else all_of_them & members(here, groups)
