"""The registry: explicit, one remediation a name, the same door for built-ins and others."""

from importlib.metadata import EntryPoint

import pytest

from remediations.base import Right
from remediations.limits import Limits
from remediations.registry import GROUP, Registry, RegistryError, UnknownRemediation, installed, rights_for, shipped
from remediations.restart import Restart
from remediations.rollback import Rollback


class Drain(Restart):
    """A remediation from outside."""

    name = "drainQueue"


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_the_built_ins_are_registered() -> None:
    assert shipped().names == ("limits", "restart", "rollback")
    assert [type(one) for one in shipped()] == [Limits, Restart, Rollback]
    assert set(shipped().names) <= set(installed().names)


def test_an_unknown_name_says_which_was_probably_meant() -> None:
    with pytest.raises(UnknownRemediation, match="Did you mean rollback") as raised:
        shipped()["rolback"]

    assert raised.value.nearest == "rollback"
    assert "limits, restart, rollback" in str(raised.value)


def test_a_name_like_none_gets_no_hint() -> None:
    with pytest.raises(UnknownRemediation) as raised:
        shipped()["zzz"]

    assert raised.value.nearest is None


def test_a_name_is_never_taken_twice() -> None:
    registry = shipped()

    with pytest.raises(RegistryError, match=r"restart is taken by remediations\.restart\.Restart"):
        registry.register(Restart())
    assert len(registry) == 3


@pytest.mark.parametrize("name", ["", "Drain", "drain queue", "drain-queue", "1st", "a" * 64])
def test_a_name_must_be_a_word_of_a_runbook(name: str) -> None:
    remediation = Drain()
    remediation.name = name

    with pytest.raises(RegistryError, match="is no name"):
        Registry([remediation])


def test_what_lacks_a_part_is_no_remediation() -> None:
    with pytest.raises(RegistryError, match="it lacks targets, step_class"):
        Registry([type("Half", (), {"name": "half"})()])


@pytest.mark.parametrize("target", ["Drain", "DRAIN"], ids=["class", "instance"])
def test_an_entry_point_names_a_class_or_an_instance(target: str) -> None:
    registry = shipped()
    registry.load([entry("drainQueue", f"{__name__}:{target}")])

    assert "drainQueue" in registry
    assert registry["drainQueue"].name == "drainQueue"


DRAIN = Drain()


@pytest.mark.parametrize("value", ["no.such.module:X", "remediations.restart:Nothing"], ids=["module", "name"])
def test_an_entry_point_that_cannot_be_loaded_names_itself(value: str) -> None:
    with pytest.raises(RegistryError, match=f"entry point bad = {value}"):
        shipped().load([entry("bad", value)])


def test_rights_are_narrowed_to_the_kinds_acted_on() -> None:
    assert rights_for(Restart(), ["Deployment"]) == (Right("apps", "deployments", ("patch",)),)
    assert len(rights_for(Restart(), ["Deployment", "StatefulSet"])) == 2
    assert rights_for(Rollback(), ["Deployment"]) == Rollback().needs
