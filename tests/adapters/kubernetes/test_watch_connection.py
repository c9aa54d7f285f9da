"""What a watch does with every way in which its connection can end."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.config import Connection
from controller.adapters.kubernetes.kinds import PODS
from controller.adapters.kubernetes.watch import Backoff, KubernetesWatch
from controller.ports import Changed, Deleted, Listed, Suspect, WatchEvent
from tests.adapters.kubernetes.scripted import Answerer, Scripted, answer, hung_up, scripted, status, stream, truncated


def pod(name: str, version: str) -> Mapping[str, Any]:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "resourceVersion": version}}


def listed(version: str) -> Answerer:
    return answer(200, {"metadata": {"resourceVersion": version}, "items": []})


def event(kind: str, name: str, version: str) -> Mapping[str, Any]:
    return {"type": kind, "object": pod(name, version)}


def bookmark(version: str) -> Mapping[str, Any]:
    return {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": version}}}


TOO_OLD = {"type": "ERROR", "object": status(410, "Expired", "too old resource version: 1 (9)")}
BROKEN = {"type": "ERROR", "object": status(500, "InternalError", "etcd is gone")}


class Slept(list[float]):
    """The waits that were asked for; none of them takes time."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def slept() -> Slept:
    return Slept()


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[Scripted, Path]]:
    async with scripted(tmp_path) as pair:
        yield pair


@pytest.fixture
def server(both: tuple[Scripted, Path]) -> Scripted:
    return both[0]


@pytest.fixture
async def watch(both: tuple[Scripted, Path], slept: Slept) -> AsyncIterator[KubernetesWatch]:
    async with await Api.open(Connection(kubeconfig=both[1], timeout_seconds=2)) as api:
        yield KubernetesWatch(api, silence=timedelta(seconds=0.3), sleep=slept, chance=random.Random(7))


async def first(watch: KubernetesWatch, count: int) -> list[WatchEvent]:
    events = cast("AsyncGenerator[WatchEvent, None]", watch.stream(PODS, "shop"))
    async with aclosing(events):
        return [await anext(events) for _ in range(count)]


def watched_from(server: Scripted) -> list[str]:
    return [request.query["resourceVersion"] for request in server.seen if "watch" in request.query]


async def test_a_connection_that_ends_in_good_order_is_resumed_and_says_nothing(
    server: Scripted, watch: KubernetesWatch
) -> None:
    server.say(
        listed("5"),
        stream(event("ADDED", "a", "6"), bookmark("9")),
        stream(event("DELETED", "a", "10"), then="silence"),
    )

    assert await first(watch, 3) == [Listed(()), Changed(pod("a", "6")), Deleted(pod("a", "10"))]
    assert watched_from(server) == ["5", "9"]


@pytest.mark.parametrize(
    "ending",
    [answer(410, status(410, "Expired")), stream(TOO_OLD), stream(event("ADDED", "a", "6"), TOO_OLD, then="silence")],
    ids=["by-status", "as-event", "after-an-event"],
)
async def test_a_410_lists_again_and_is_not_suspect(server: Scripted, watch: KubernetesWatch, ending: Answerer) -> None:
    server.say(listed("5"), ending, listed("9"), stream(event("ADDED", "b", "10"), then="silence"))

    events = [one for one in await first(watch, 4 if "after" in repr(ending) else 3) if one != Changed(pod("a", "6"))]

    assert not any(isinstance(one, Suspect) for one in events)
    assert events[:2] == [Listed(()), Listed(())]
    assert watched_from(server)[:2] == (["5", "9"] if len(watched_from(server)) > 1 else ["5"])


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (stream(then="silence"), "nothing was heard"),
        (stream(event("ADDED", "a", "6"), then="break"), "watch"),
        (stream(b'{"type":"ADDED","obj'), "inside an event"),
        (stream(b"not json\n"), "is no event"),
        (stream({"type": "NEWS", "object": {}}), "NEWS"),
        (stream(BROKEN), "etcd is gone"),
        (answer(500, status(500, "InternalError", "oops")), "oops"),
        (answer(403, status(403, "Forbidden", "not yours")), "not yours"),
        (hung_up, "watch"),
    ],
    ids=["silent", "broken", "half-an-event", "no-json", "unknown-type", "error", "500", "403", "hung-up"],
)
async def test_any_other_ending_is_suspect_until_it_is_listed_again(
    server: Scripted, watch: KubernetesWatch, ending: Answerer, words: str
) -> None:
    server.say(listed("5"), ending, listed("9"), stream(then="silence"))

    events = [one for one in await first(watch, 4) if not isinstance(one, Changed)][:3]

    assert events[0] == Listed(())
    assert isinstance(events[1], Suspect)
    assert words in events[1].reason
    assert events[2] == Listed(())


@pytest.mark.parametrize(
    "trouble", [answer(500, "oops"), truncated, answer(200, "{}"), answer(404, "404 page not found")]
)
async def test_a_list_that_fails_is_suspect_and_asked_again(
    server: Scripted, watch: KubernetesWatch, trouble: Answerer
) -> None:
    server.say(trouble, trouble, trouble, listed("5"), stream(then="silence"))

    events = await first(watch, 2)

    assert isinstance(events[0], Suspect)


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered(
    server: Scripted, watch: KubernetesWatch, slept: Slept
) -> None:
    server.say(listed("5"), *[stream()] * 5, stream(event("ADDED", "a", "6"), then="silence"))

    await first(watch, 2)

    assert len(slept) == 5
    assert slept[-1] > slept[0]


def test_waits_double_up_to_a_ceiling_and_begin_anew_after_good_news() -> None:
    backoff = Backoff(random.Random(7), first=1, ceiling=8)

    waits = [backoff.seconds() for _ in range(6)]
    backoff.reset()

    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, [1, 2, 4, 8, 8, 8], strict=True))
    assert backoff.seconds() <= 1
    assert backoff.seconds(at_least=20) == 20
