"""Access in memory: tokens and grants given by name. Nobody is anybody and nobody may anything until it is said."""

from __future__ import annotations

from dataclasses import dataclass

from controller.errors import ApiUnavailable
from controller.ports import Person, ResourceKind


@dataclass(frozen=True, slots=True)
class Grant:
    """`subject` (a username or a group; empty: trimtab's own account) may `verb` `plural` in `namespace`, None: all."""

    subject: str
    verb: str
    group: str
    plural: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""

    def covers(self, verb: str, kind: ResourceKind, namespace: str | None, name: str, subresource: str) -> bool:
        """Whether it answers this question with yes."""
        return (
            (self.verb, self.group, self.plural, self.subresource) == (verb, kind.group, kind.plural, subresource)
            and self.namespace in {None, namespace}
            and self.name in {"", name}
        )


class MemoryAccess:
    """Who is who, and who may what. `trouble` makes every question fail."""

    def __init__(self) -> None:
        self.trouble = ""
        self._people: dict[str, Person] = {}
        self._grants: set[Grant] = set()

    def know(self, token: str, person: Person) -> None:
        """From now on, this token is this person's."""
        self._people[token] = person

    def grant(self, grant: Grant) -> None:
        """Allow."""
        self._grants.add(grant)

    def revoke(self, grant: Grant) -> None:
        """Take one grant back; quiet when it was not given."""
        self._grants.discard(grant)

    async def who(self, token: str) -> Person | None:
        """The person behind a token, None when nobody is."""
        self._answers()
        return self._people.get(token) if token else None

    async def may(self, person: Person, verb: str, kind: ResourceKind, namespace: str | None, name: str = "") -> bool:
        """Whether a grant to the person or to one of their groups says so."""
        if not person.name:
            return False
        self._answers()
        return self._granted({person.name, *person.groups} - {""}, verb, kind, namespace, name, "")

    async def self_may(self, verb: str, kind: ResourceKind, namespace: str | None, subresource: str = "") -> bool:
        """Whether a grant to the program's own account says so."""
        self._answers()
        return self._granted({""}, verb, kind, namespace, "", subresource)

    def _granted(
        self, subjects: set[str], verb: str, kind: ResourceKind, namespace: str | None, name: str, subresource: str
    ) -> bool:
        return any(g.subject in subjects and g.covers(verb, kind, namespace, name, subresource) for g in self._grants)

    def _answers(self) -> None:
        if self.trouble:
            raise ApiUnavailable(f"The access reviews in memory: {self.trouble}", "Clear its trouble.")
