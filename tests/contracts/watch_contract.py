"""What every Watch adapter promises, run on each: in memory, and on a real API server behind a proxy."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Protocol, cast

from controller.ports import Changed, Deleted, Listed, ResourceKind, Suspect, Watch, WatchEvent

CONFIG_MAPS = ResourceKind("", "v1", "configmaps", "ConfigMap")


class Stage(Protocol):
    """One adapter, a namespace and a neighbouring one, and a server that can be cut off."""

    watch: Watch
    namespace: str
    neighbour: str

    async def put(self, namespace: str, name: str, value: str) -> None: ...

    async def remove(self, namespace: str, name: str) -> None: ...

    async def cut_off(self) -> None: ...

    async def mend(self) -> None: ...


def listen(stage: Stage, namespace: str | None) -> AsyncGenerator[WatchEvent, None]:
    """Every adapter's stream is a generator, which a test ends by closing it."""
    return cast("AsyncGenerator[WatchEvent, None]", stage.watch.stream(CONFIG_MAPS, namespace))


async def until(events: AsyncIterator[WatchEvent], kind: type[WatchEvent], name: str = "") -> Any:
    """The next event of this type (about an object of this name)."""
    async with asyncio.timeout(60):
        async for event in events:
            if isinstance(event, kind) and (not name or isinstance(event, Listed | Suspect) or named(event) == name):
                return event
    raise AssertionError("a stream never ends")


def named(event: Changed | Deleted) -> str:
    return str(event.object["metadata"]["name"])


def names(listed: Listed) -> set[str]:
    return {str(one["metadata"]["name"]) for one in listed.objects}


def value(object: Mapping[str, Any]) -> str:
    return str(object["data"]["value"])


class WatchContract:
    """Subclasses give the fixture `stage`."""

    async def test_a_stream_begins_with_everything_that_is_there(self, stage: Stage) -> None:
        await stage.put(stage.namespace, "before", "1")

        async with aclosing(listen(stage, stage.namespace)) as events:
            first = await anext(events)

        assert isinstance(first, Listed)
        assert "before" in names(first)
        assert {(one["apiVersion"], one["kind"]) for one in first.objects} == {("v1", "ConfigMap")}

    async def test_what_happens_after_the_list_is_told_in_order(self, stage: Stage) -> None:
        async with aclosing(listen(stage, stage.namespace)) as events:
            await until(events, Listed)
            await stage.put(stage.namespace, "one", "1")
            assert value((await until(events, Changed, "one")).object) == "1"
            await stage.put(stage.namespace, "one", "2")
            assert value((await until(events, Changed, "one")).object) == "2"
            await stage.remove(stage.namespace, "one")
            gone = await until(events, Deleted)

        assert named(gone) == "one"
        assert value(gone.object) == "2"

    async def test_a_stream_of_one_namespace_hears_nothing_of_another(self, stage: Stage) -> None:
        await stage.put(stage.neighbour, "theirs", "1")

        async with aclosing(listen(stage, stage.namespace)) as events:
            first = await until(events, Listed)
            await stage.put(stage.neighbour, "theirs", "2")
            await stage.put(stage.namespace, "ours", "1")
            heard = await until(events, Changed)

        assert "theirs" not in names(first)
        assert named(heard) == "ours"

    async def test_a_stream_of_all_namespaces_hears_of_each(self, stage: Stage) -> None:
        async with aclosing(listen(stage, None)) as events:
            await until(events, Listed)
            await stage.put(stage.neighbour, "theirs", "1")
            theirs = await until(events, Changed, "theirs")
            await stage.put(stage.namespace, "ours", "1")
            ours = await until(events, Changed, "ours")

        assert theirs.object["metadata"]["namespace"] == stage.neighbour
        assert ours.object["metadata"]["namespace"] == stage.namespace

    async def test_two_streams_both_hear_everything(self, stage: Stage) -> None:
        async with (
            aclosing(listen(stage, stage.namespace)) as one,
            aclosing(listen(stage, stage.namespace)) as other,
        ):
            await until(one, Listed)
            await until(other, Listed)
            await stage.put(stage.namespace, "shared", "1")

            assert value((await until(one, Changed, "shared")).object) == "1"
            assert value((await until(other, Changed, "shared")).object) == "1"

    async def test_a_server_that_went_away_is_suspect_until_the_next_list(self, stage: Stage) -> None:
        """What changed meanwhile is in that list: nothing is missed, whatever is not in it is gone."""
        await stage.put(stage.namespace, "doomed", "1")

        async with aclosing(listen(stage, stage.namespace)) as events:
            await until(events, Listed)
            await stage.cut_off()
            suspect = await until(events, Suspect)
            await stage.mend()
            await stage.remove(stage.namespace, "doomed")
            await stage.put(stage.namespace, "late", "1")
            again = await until(events, Listed)
            seen = names(again)
            if "late" not in seen:  # it was listed between mending and writing: then it is told
                await until(events, Changed, "late")

        assert suspect.reason

    async def test_a_stream_that_began_while_the_server_was_away_starts_when_it_is_back(self, stage: Stage) -> None:
        await stage.put(stage.namespace, "there", "1")
        await stage.cut_off()

        async with aclosing(listen(stage, stage.namespace)) as events:
            first = await anext(events)
            await stage.mend()
            listed = await until(events, Listed)

        assert isinstance(first, Suspect)
        assert "there" in names(listed)
