"""What every Access adapter promises, run on each: in memory, and on a real API server."""

from typing import Protocol

import pytest

from controller.errors import ApiUnavailable
from controller.ports import Access, Person, ResourceKind

REMEDIATIONS = ResourceKind("trimtab.dev", "v1alpha1", "remediations", "Remediation")
DEPLOYMENTS = ResourceKind("apps", "v1", "deployments", "Deployment")


class Stage(Protocol):
    """One adapter; `token` is a good token of `person`, who may `approve` remediations in `namespace`.

    `group` may do the same. The program's own account may `patch` deployments and their `status` in `namespace`.
    """

    access: Access
    token: str
    person: Person
    group: str
    namespace: str
    neighbour: str

    async def cut_off(self) -> None: ...


class AccessContract:
    """Subclasses give the fixture `stage`."""

    async def test_a_good_token_names_its_person_and_their_groups(self, stage: Stage) -> None:
        found = await stage.access.who(stage.token)

        assert found is not None
        assert found.name == stage.person.name
        assert set(stage.person.groups) <= set(found.groups)

    @pytest.mark.parametrize("token", ["", "x", "Bearer x", "a.b.c"], ids=["empty", "word", "header", "jwt-like"])
    async def test_a_bad_token_is_nobody(self, stage: Stage, token: str) -> None:
        assert await stage.access.who(token) is None

    async def test_a_token_with_its_end_cut_off_is_nobody(self, stage: Stage) -> None:
        assert await stage.access.who(stage.token[:-4]) is None

    async def test_a_person_may_what_was_granted(self, stage: Stage) -> None:
        assert await stage.access.may(stage.person, "approve", REMEDIATIONS, stage.namespace)
        assert await stage.access.may(stage.person, "approve", REMEDIATIONS, stage.namespace, "inc-1")

    async def test_a_group_gives_its_members_what_it_may(self, stage: Stage) -> None:
        member, stranger = Person("someone@example.test", (stage.group,)), Person("someone@example.test")

        assert await stage.access.may(member, "approve", REMEDIATIONS, stage.namespace)
        assert not await stage.access.may(stranger, "approve", REMEDIATIONS, stage.namespace)

    async def test_what_was_not_granted_is_not_allowed(self, stage: Stage) -> None:
        person, here = stage.person, stage.namespace

        assert not await stage.access.may(person, "approve", REMEDIATIONS, stage.neighbour)
        assert not await stage.access.may(person, "approve", REMEDIATIONS, None)
        assert not await stage.access.may(person, "delete", REMEDIATIONS, here)
        assert not await stage.access.may(person, "approve", DEPLOYMENTS, here)
        assert not await stage.access.may(Person("", ()), "patch", DEPLOYMENTS, here)

    async def test_the_programs_own_rights_are_its_own(self, stage: Stage) -> None:
        assert await stage.access.self_may("patch", DEPLOYMENTS, stage.namespace)
        assert await stage.access.self_may("patch", DEPLOYMENTS, stage.namespace, "status")
        assert not await stage.access.self_may("patch", DEPLOYMENTS, stage.neighbour)
        assert not await stage.access.self_may("patch", DEPLOYMENTS, stage.namespace, "scale")
        assert not await stage.access.self_may("approve", REMEDIATIONS, stage.namespace)

    async def test_unanswered_is_never_yes(self, stage: Stage) -> None:
        await stage.cut_off()

        with pytest.raises(ApiUnavailable):
            await stage.access.who(stage.token)
        with pytest.raises(ApiUnavailable):
            await stage.access.may(stage.person, "approve", REMEDIATIONS, stage.namespace)
        with pytest.raises(ApiUnavailable):
            await stage.access.self_may("patch", DEPLOYMENTS, stage.namespace)
