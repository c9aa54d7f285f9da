"""What every Resources adapter promises, run on each: in memory, and on a real API server."""

from collections.abc import Mapping
from typing import Any, Protocol

import pytest

from controller.errors import ApiUnavailable, Denied, KindUnknown, NotOurs
from controller.ports import ResourceKind, Resources

PROBES = ResourceKind("trimtab.dev", "v1", "probes", "Probe")
"""A kind of its own for this suite, in trimtab's group, with a status subresource."""

UNSERVED = ResourceKind("trimtab.dev", "v1", "absences", "Absence")
DEPLOYMENTS = ResourceKind("apps", "v1", "deployments", "Deployment")
CONFIG_MAPS = ResourceKind("", "v1", "configmaps", "ConfigMap")
EVENTS = ResourceKind("events.k8s.io", "v1", "events", "Event")


class Stage(Protocol):
    """One adapter and two namespaces."""

    resources: Resources
    namespace: str
    neighbour: str

    async def cut_off(self) -> None: ...


def probe(stage: Stage, name: str = "one", **spec: Any) -> Mapping[str, Any]:
    return {"metadata": {"name": name, "namespace": stage.namespace}, "spec": spec}


async def created(stage: Stage, name: str = "one", **spec: Any) -> Mapping[str, Any]:
    made = await stage.resources.create(PROBES, probe(stage, name, **spec))
    assert made is not None
    return made


class ResourcesContract:
    """Subclasses give the fixture `stage`."""

    async def test_what_is_created_can_be_read_and_listed(self, stage: Stage) -> None:
        made = await created(stage, size=3)

        assert made["spec"] == {"size": 3}
        assert (made["apiVersion"], made["kind"]) == ("trimtab.dev/v1", "Probe")
        assert await stage.resources.get(PROBES, stage.namespace, "one") == made
        assert await stage.resources.list(PROBES, stage.namespace) == (made,)
        assert await stage.resources.list(PROBES, stage.neighbour) == ()
        assert made["metadata"]["uid"] in {o["metadata"]["uid"] for o in await stage.resources.list(PROBES)}

    async def test_a_taken_name_is_none_and_changes_nothing(self, stage: Stage) -> None:
        made = await created(stage, size=3)

        assert await stage.resources.create(PROBES, probe(stage, size=4)) is None
        assert await stage.resources.get(PROBES, stage.namespace, "one") == made

    async def test_what_is_not_there_is_none(self, stage: Stage) -> None:
        assert await stage.resources.get(PROBES, stage.namespace, "nobody") is None
        assert await stage.resources.patch(PROBES, stage.namespace, "nobody", {"spec": {"size": 1}}) is None
        await stage.resources.patch_status(PROBES, stage.namespace, "nobody", {"phase": "x"})
        await stage.resources.delete(PROBES, stage.namespace, "nobody")

    async def test_a_patch_merges_and_null_removes(self, stage: Stage) -> None:
        made = await created(stage, size=3, colour="red")

        patched = await stage.resources.patch(
            PROBES,
            stage.namespace,
            "one",
            {"metadata": {"annotations": {"trimtab.dev/ignore": "yes"}}, "spec": {"colour": None, "size": 4}},
        )

        assert patched is not None
        assert patched["spec"] == {"size": 4}
        assert patched["metadata"]["annotations"] == {"trimtab.dev/ignore": "yes"}
        assert patched["metadata"]["generation"] == made["metadata"]["generation"] + 1
        assert await stage.resources.get(PROBES, stage.namespace, "one") == patched

    async def test_a_patch_locked_to_an_older_version_is_denied(self, stage: Stage) -> None:
        made = await created(stage, size=3)
        newer = await stage.resources.patch(PROBES, stage.namespace, "one", {"spec": {"size": 4}})

        with pytest.raises(Denied, match="Conflict"):
            await stage.resources.patch(
                PROBES,
                stage.namespace,
                "one",
                {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"size": 5}},
            )
        assert await stage.resources.get(PROBES, stage.namespace, "one") == newer

    async def test_a_status_is_written_by_its_own_door_only(self, stage: Stage) -> None:
        made = await created(stage, size=3)

        await stage.resources.patch_status(PROBES, stage.namespace, "one", {"phase": "Seen"})
        await stage.resources.patch(PROBES, stage.namespace, "one", {"status": {"phase": "Forged"}})

        found = await stage.resources.get(PROBES, stage.namespace, "one")
        assert found is not None
        assert found["status"] == {"phase": "Seen"}
        assert found["spec"] == made["spec"]
        assert found["metadata"]["generation"] == made["metadata"]["generation"]

    async def test_what_is_deleted_is_gone(self, stage: Stage) -> None:
        await created(stage)

        await stage.resources.delete(PROBES, stage.namespace, "one")

        assert await stage.resources.get(PROBES, stage.namespace, "one") is None

    async def test_a_missing_crd_is_an_error_of_its_own(self, stage: Stage) -> None:
        with pytest.raises(KindUnknown):
            await stage.resources.list(UNSERVED, stage.namespace)
        with pytest.raises(KindUnknown):
            await stage.resources.get(UNSERVED, stage.namespace, "one")

    @pytest.mark.parametrize("kind", [DEPLOYMENTS, CONFIG_MAPS, EVENTS], ids=lambda kind: kind.kind)
    async def test_nothing_but_our_own_objects_is_ever_written(self, stage: Stage, kind: ResourceKind) -> None:
        other = {"metadata": {"name": "theirs", "namespace": stage.namespace}}

        with pytest.raises(NotOurs):
            await stage.resources.create(kind, other)
        with pytest.raises(NotOurs):
            await stage.resources.patch(kind, stage.namespace, "theirs", {"spec": {"replicas": 0}})
        with pytest.raises(NotOurs):
            await stage.resources.patch_status(kind, stage.namespace, "theirs", {"replicas": 0})
        with pytest.raises(NotOurs):
            await stage.resources.delete(kind, stage.namespace, "theirs")
        assert await stage.resources.get(kind, stage.namespace, "theirs") is None

    async def test_an_event_says_what_about_whom(self, stage: Stage) -> None:
        made = await created(stage)

        await stage.resources.record(made, "Blocked", "A freeze is on.", True, "Wait")

        (event,) = await stage.resources.list(EVENTS, stage.namespace)
        assert (event["reason"], event["note"], event["type"], event["action"]) == (
            "Blocked",
            "A freeze is on.",
            "Warning",
            "Wait",
        )
        assert event["regarding"]["uid"] == made["metadata"]["uid"]
        assert event["regarding"]["kind"] == "Probe"
        assert event["reportingController"] == "trimtab.dev/trimtab"

    async def test_the_same_words_again_are_counted_on_one_event(self, stage: Stage) -> None:
        made = await created(stage)

        for _ in range(3):
            await stage.resources.record(made, "Blocked", "A freeze is on.", True, "Wait")
        await stage.resources.record(made, "Blocked", "The budget is spent.", True, "Wait")

        found = {event["note"]: event for event in await stage.resources.list(EVENTS, stage.namespace)}
        assert found["A freeze is on."]["series"]["count"] == 3
        assert "series" not in found["The budget is spent."]
        assert len(found) == 2

    async def test_the_same_words_about_two_objects_are_two_events(self, stage: Stage) -> None:
        """Whoever is told of is not always known by uid."""
        for name in ("one", "two"):
            whom = {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": stage.namespace},
            }
            await stage.resources.record(whom, "Blocked", "A freeze is on.", True, "Wait")

        found = await stage.resources.list(EVENTS, stage.namespace)
        assert sorted(event["regarding"]["name"] for event in found) == ["one", "two"]

    async def test_a_note_too_long_for_an_event_is_cut_and_still_written(self, stage: Stage) -> None:
        made = await created(stage)

        await stage.resources.record(made, "Long", "ü" * 2000, False, "Tell")

        (event,) = await stage.resources.list(EVENTS, stage.namespace)
        assert event["note"] == "ü" * 512

    async def test_a_server_that_does_not_answer_is_unavailable(self, stage: Stage) -> None:
        made = await created(stage)
        await stage.cut_off()

        with pytest.raises(ApiUnavailable):
            await stage.resources.list(PROBES, stage.namespace)
        with pytest.raises(ApiUnavailable):
            await stage.resources.get(PROBES, stage.namespace, "one")
        with pytest.raises(ApiUnavailable):
            await stage.resources.create(PROBES, probe(stage, "two"))
        with pytest.raises(ApiUnavailable):
            await stage.resources.patch(PROBES, stage.namespace, "one", {"spec": {"size": 1}})
        with pytest.raises(ApiUnavailable):
            await stage.resources.record(made, "Blocked", "No one hears this.", True, "Wait")
