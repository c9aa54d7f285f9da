"""Each part of doctor says well, worth knowing or wrong, and what is wrong has a remedy."""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.crd import schema
from controller.api.rights import OBSERVE
from controller.api.v1alpha1.kinds import KINDS
from controller.checkup import kinds, people, rights, store
from controller.checkup.finding import Mark
from controller.checkup.rights import Need
from controller.ports import LeaseState, ResourceKind, StoreIdentity
from controller.runtime.leadership import FOUND, write_mirror
from controller.settings import Settings
from remediations.registry import shipped
from runbooks.load import library

NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
IDENTITY = StoreIdentity("a" * 32, 3, 40, "b" * 64)


def lease(annotations: Mapping[str, str], holder: str = "pod-0", age: float = 2.0) -> LeaseState:
    """A Lease that was renewed `age` seconds ago."""
    return LeaseState(holder, NOW - timedelta(seconds=age), timedelta(seconds=15), 1, annotations, "7")


class Server:
    """An API server's word on itself, given."""

    def __init__(
        self, schemas: Mapping[str, Any] | None, policies: frozenset[str] | None = None, refuses: bool | None = True
    ) -> None:
        self._schemas, self._policies, self._refuses = schemas, policies, refuses

    async def schemas(self) -> Mapping[str, Mapping[str, Any]] | None:
        return self._schemas

    async def policies(self) -> frozenset[str] | None:
        return self._policies

    async def refuses_foreign_answers(self, namespace: str) -> bool | None:
        return self._refuses


def served() -> dict[str, Any]:
    """The kinds as this version makes them."""
    return {kind.resource.kind: copy.deepcopy(schema(kind)) for kind in KINDS}


async def test_kinds_of_this_version_are_well() -> None:
    assert (await kinds.kinds(Server(served()))).mark is Mark.WELL


async def test_a_group_that_is_not_served_is_wrong() -> None:
    assert (await kinds.kinds(Server(None))).mark is Mark.WRONG


async def test_a_kind_that_is_missing_is_named() -> None:
    there = served()
    del there["Remediation"]

    finding = await kinds.kinds(Server(there))

    assert (finding.mark, "Remediation" in finding.text) == (Mark.WRONG, True)


async def test_an_older_field_is_wrong_and_a_newer_one_worth_knowing() -> None:
    older, newer = served(), served()
    del older["Remediation"]["properties"]["spec"]["properties"]["diff"]
    newer["Remediation"]["properties"]["spec"]["properties"]["more"] = {"type": "string"}

    behind, ahead = await kinds.kinds(Server(older)), await kinds.kinds(Server(newer))

    assert (behind.mark, "Remediation.spec.diff" in behind.text) == (Mark.WRONG, True)
    assert (ahead.mark, "Remediation.spec.more" in ahead.text) == (Mark.NOTE, True)


@pytest.mark.parametrize(
    ("policies", "refuses", "mark"),
    [
        (frozenset({"trimtab-remediations", "trimtab-workloads"}), True, Mark.WELL),
        (frozenset({"trimtab-remediations"}), True, Mark.WRONG),
        (None, True, Mark.WELL),
        (None, False, Mark.WRONG),
        (None, None, Mark.NOTE),
        (frozenset({"trimtab-remediations", "trimtab-workloads"}), False, Mark.WRONG),
    ],
    ids=["both", "one missing", "tried", "not refused", "unknown", "there and not in force"],
)
async def test_answers_that_are_not_guarded_are_wrong(
    policies: frozenset[str] | None, refuses: bool | None, mark: Mark
) -> None:
    finding = await kinds.policies(Server({}, policies, refuses), "trimtab", acts=True, namespace="trimtab")

    assert finding.mark is mark


@pytest.mark.parametrize(
    ("annotations", "unwritable", "mark", "word"),
    [
        (write_mirror(IDENTITY), "", Mark.WELL, "remembers"),
        ({}, "", Mark.WELL, "remembers"),
        (write_mirror(StoreIdentity("c" * 32, 3, 40, "b" * 64)), "", Mark.WRONG, "another one"),
        (write_mirror(StoreIdentity("a" * 32, 3, 99, "b" * 64)), "", Mark.WRONG, "behind"),
        (write_mirror(StoreIdentity("a" * 32, 3, 40, "d" * 64)), "", Mark.WRONG, "last event"),
        ({**write_mirror(IDENTITY), FOUND: "e" * 32}, "", Mark.WRONG, "another one"),
        (write_mirror(IDENTITY), "no right", Mark.WRONG, "cannot be written"),
    ],
    ids=["same", "none remembered", "another", "behind", "other head", "found", "read-only"],
)
def test_a_store_that_is_not_the_remembered_one_is_wrong(
    annotations: Mapping[str, str], unwritable: str, mark: Mark, word: str
) -> None:
    finding = store.store("SQLite store x", IDENTITY, unwritable, lease(annotations))

    assert (finding.mark, word in finding.text) == (mark, True)
    assert finding.remedy or mark is Mark.WELL


@pytest.mark.parametrize(
    ("found", "mark"),
    [(None, Mark.NOTE), (lease({}, holder=""), Mark.NOTE), (lease({}), Mark.WELL), (lease({}, age=120), Mark.WRONG)],
    ids=["no lease", "given back", "renewed", "silent"],
)
def test_a_leader_that_is_silent_is_wrong(found: LeaseState | None, mark: Mark) -> None:
    assert store.leader(found, NOW).mark is mark


@pytest.mark.parametrize(
    ("said", "marks"),
    [
        ({"people": {"approvers": ["mara"]}}, [Mark.WELL]),
        ({}, [Mark.NOTE]),
        ({"act_namespaces": ["shop"]}, [Mark.WRONG]),
        ({"people": {"approvers": ["group:ops"]}, "act_namespaces": ["shop"]}, [Mark.WRONG, Mark.WRONG]),
        ({"people": {"approvers": ["group:ops"], "groups": {"ops": ["li"]}}}, [Mark.WELL]),
        ({"people": {"approvers": ["mara"], "slack": {"U1": "eve"}}}, [Mark.WELL, Mark.NOTE]),
    ],
    ids=["named", "nobody yet", "nobody though it acts", "empty group", "group", "stranger in Slack"],
)
def test_nobody_to_answer_is_wrong_once_it_may_act(said: dict[str, Any], marks: list[Mark]) -> None:
    assert [finding.mark for finding in people.people(Settings(**said))] == marks


def test_slack_alone_pages_nobody() -> None:
    (alone,) = people.telling(Settings(slack_channel="#ops"), 0)
    (both,) = people.telling(Settings(slack_channel="#ops"), 1)

    assert (alone.mark, "nothing pages besides Slack" in alone.text) == (Mark.NOTE, True)
    assert both.mark is Mark.WELL


def test_a_variable_that_is_no_setting_is_named_with_the_nearest() -> None:
    (finding,) = people.variables(["TRIMTAB_PROMETEUS_URL", "TRIMTAB_PEOPLE__APPROVERS", "PATH", "TRIMTAB_FAILPOINT"])

    assert "TRIMTAB_PROMETEUS_URL" in finding.text
    assert "TRIMTAB_PROMETHEUS_URL" in finding.remedy


class Account:
    """Reviews of an account that has exactly these rights, each in its namespace or (empty) everywhere."""

    def __init__(self, granted: frozenset[Need], complete: bool = True) -> None:
        self._granted, self._complete = granted, complete

    async def self_may(
        self, verb: str, kind: ResourceKind, namespace: str | None, subresource: str = "", name: str = ""
    ) -> bool:
        resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
        places = {"", namespace or ""}
        return any(Need(place, kind.group, resource, verb, name) in self._granted for place in places)

    async def my_rules(self, namespace: str) -> tuple[Mapping[str, Any], ...] | None:
        here = sorted(need for need in self._granted if need.namespace in {"", namespace})
        rules = ({"apiGroups": [n.group], "resources": [n.resource], "verbs": [n.verb]} for n in here)
        return tuple(rules) if self._complete else None


def needed(settings: Settings) -> frozenset[Need]:
    """Everything these settings need."""
    return rights.reading(settings) | rights.acting(settings, library(), shipped())


async def looked(account: Account, settings: Settings) -> dict[str, Mark]:
    """Marks by subject."""
    found = await rights.rights(account, settings, library(), shipped(), "API server 1.36")
    return {finding.subject: finding.mark for finding in found}


async def test_exactly_the_needed_rights_are_well() -> None:
    settings = Settings()
    assert rights.needs(OBSERVE, "") <= rights.reading(settings)

    (found,) = await rights.rights(Account(needed(settings)), settings, library(), shipped(), "API server 1.36")

    assert found.mark is Mark.WELL
    assert "0 unused; rights to act: none" in found.text


async def test_each_missing_right_is_wrong() -> None:
    settings = Settings(act_namespaces=["shop"])
    lacking = needed(settings) - {Need("", "", "pods", "list"), Need("shop", "apps", "deployments", "patch")}

    assert await looked(Account(lacking), settings) == {
        "API server 1.36": Mark.WRONG,
        "rights to read": Mark.WRONG,
        "rights to act": Mark.WRONG,
    }


@pytest.mark.parametrize(
    "further",
    [Need("", "", "secrets", "get"), Need("shop", "", "pods", "delete"), Need("", "apps", "deployments", "patch")],
    ids=["secrets", "more than needed", "wider than needed"],
)
async def test_each_right_beyond_the_needed_is_named(further: Need) -> None:
    settings = Settings(act_namespaces=["shop"])

    found = await rights.rights(
        Account(needed(settings) | {further}), settings, library(), shipped(), "API server 1.36"
    )

    assert [finding.mark for finding in found] == [Mark.WELL, Mark.NOTE]
    assert str(further) in found[1].text


async def test_where_rights_cannot_be_listed_nothing_is_called_unused() -> None:
    settings = Settings(act_namespaces=["shop"])

    (found,) = await rights.rights(
        Account(needed(settings), complete=False), settings, library(), shipped(), "API server 1.36"
    )

    assert "unused: cannot be said" in found.text
