"""The Watch port on a real API server: list, then watch, for ever.

Promises that whoever follows a stream learns when what it knows may be old: a broken, refused or silent connection is a
`Suspect`, followed by a full `Listed` once the server answers again. A connection that the server ends in good order is
resumed where it stopped, and says nothing. A 410 (by status, or as an ERROR event inside a 200) lists again.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias, assert_never

from controller.adapters.kubernetes.answers import Busy, Expired, Lost
from controller.adapters.kubernetes.client import Api, Keep, path_of, whole
from controller.errors import TrimtabError
from controller.ports import Changed, Deleted, Listed, ResourceKind, Suspect, WatchEvent

SILENCE = timedelta(seconds=90)
"""Bookmarks come about once a minute on a quiet watch; one and a half of that without a byte is a dead connection."""

LIFETIME = timedelta(minutes=5)
"""How long the server is asked to keep one watch; half to all of it, so that many do not end at once."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing changed up to `version`."""

    version: str


@dataclass(frozen=True, slots=True)
class TooOld:
    """The server no longer knows what came after our version."""


Line: TypeAlias = Changed | Deleted | Bookmark | TooOld


@dataclass(slots=True)
class Backoff:
    """Waits that double up to a ceiling, each a random part of it (full jitter), until something good happens."""

    chance: random.Random
    first: float = 0.5
    ceiling: float = 30.0
    _next: float = field(init=False, default=0.0)

    def reset(self) -> None:
        """Something was heard: the next wait is short again."""
        self._next = 0.0

    def seconds(self, at_least: float = 0.0) -> float:
        """The next wait."""
        self._next = min(self.ceiling, self._next * 2 or self.first)
        return max(at_least, self.chance.uniform(self._next / 2, self._next))


class KubernetesWatch:
    """Watches through one `Api`; `keep` says what of a listed object is kept. `sleep` and `chance` are arguments, so
    that a test waits for nothing.
    """

    def __init__(
        self,
        api: Api,
        silence: timedelta = SILENCE,
        lifetime: timedelta = LIFETIME,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
        keep: Keep = whole,
    ) -> None:
        self._api = api
        self._silence = silence.total_seconds()
        self._lifetime = lifetime.total_seconds()
        self._sleep = sleep
        self._keep = keep
        self._chance = chance or random.Random()  # noqa: S311 -- spreads reconnects, guards nothing

    async def stream(self, kind: ResourceKind, namespace: str | None = None) -> AsyncIterator[WatchEvent]:
        """Never ends by itself; see the module's promises."""
        backoff = Backoff(self._chance)
        while True:
            try:
                version, objects = await self._api.list(kind, namespace, keep=self._keep)
                yield Listed(objects)
                async with aclosing(self._follow(kind, namespace, version, backoff)) as events:
                    async for event in events:
                        yield event
            except Expired:
                await self._sleep(backoff.seconds())
            except TrimtabError as error:
                yield Suspect(str(error))
                await self._sleep(backoff.seconds(error.after if isinstance(error, Busy) else 0.0))

    async def _follow(
        self, kind: ResourceKind, namespace: str | None, version: str, backoff: Backoff
    ) -> AsyncGenerator[Changed | Deleted, None]:
        """Events after `version`, over as many connections as the server ends in good order; raises when one breaks."""
        while True:
            heard = False
            async with aclosing(self._connection(kind, namespace, version)) as lines:
                async for raw in lines:
                    heard, line = True, parsed(raw)
                    match line:
                        case TooOld():
                            raise Expired("watch: the server no longer knows what came after our version")
                        case Bookmark(version=seen):
                            version = seen
                        case Changed(object=found) | Deleted(object=found):
                            version = str(found["metadata"]["resourceVersion"])
                            yield line
                        case _:
                            assert_never(line)
                    backoff.reset()
            if not heard:
                await self._sleep(backoff.seconds())

    def _connection(self, kind: ResourceKind, namespace: str | None, version: str) -> AsyncGenerator[bytes, None]:
        lifetime = max(1, round(self._chance.uniform(self._lifetime / 2, self._lifetime)))
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(lifetime),
        }
        return self._api.stream(path_of(kind, namespace), query, self._silence)


def parsed(raw: bytes) -> Line:
    """One line of a watch; raises `Lost` for one that is no event, or an error other than 410."""
    try:
        event: Mapping[str, Any] = json.loads(raw)
        found: Mapping[str, Any] = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                return Changed(found)
            case "DELETED":
                return Deleted(found)
            case "BOOKMARK":
                return Bookmark(str(found["metadata"]["resourceVersion"]))
            case "ERROR" if found.get("code") == 410:
                return TooOld()
            case other:
                raise Lost(f"watch: {other} {found.get('message', '')}", "It is connected again by itself.")
    except (ValueError, KeyError, TypeError) as cause:
        raise Lost(f"watch: a line is no event: {raw[:80]!r}", "It is connected again by itself.") from cause
