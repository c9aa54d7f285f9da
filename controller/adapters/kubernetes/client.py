"""One connection to one API server: reads are tried again, changes are sent once, streams notice silence.

Promises that a change is never sent twice, that an answer is whole or an error that says whether the request can have
been acted on (`NotSent`: no; `Lost`: perhaps), and that a read waits for as long as `Retry-After` asks.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, urlencode

import aiohttp
import stamina
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.rest import RESTClientObject

from controller.adapters.kubernetes.answers import (
    REMEDY_DOWN,
    Answer,
    Busy,
    Lost,
    NotSent,
    Silent,
    demand,
    refused,
    unavailable,
)
from controller.adapters.kubernetes.config import Connection, configuration
from controller.errors import ApiUnavailable
from controller.ports import ResourceKind

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Method: TypeAlias = Literal["POST", "PUT", "PATCH", "DELETE"]

Keep: TypeAlias = Callable[[ResourceKind, Mapping[str, Any]], Mapping[str, Any]]
"""What of an object is kept."""

READ_ATTEMPTS = 3
PAGE = 500
LONGEST_WAIT = 10.0


def whole(_: ResourceKind, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """All of it."""
    return item


def path_of(kind: ResourceKind, namespace: str | None, name: str = "", subresource: str = "") -> str:
    """The REST path of an object, or without a name of a collection; raises ValueError for a name that climbs."""
    root = ["apis", kind.group, kind.version] if kind.group else ["api", kind.version]
    scope = ["namespaces", namespace] if kind.namespaced and namespace else []
    segments = [*root, *scope, kind.plural, *filter(None, (name, subresource))]
    if any(segment in {".", ".."} for segment in segments):
        raise ValueError(f"{namespace}/{name} is no Kubernetes name")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


class Once(RESTClientObject):
    """The library's connection pool, with aiohttp kept from sending PUT and DELETE again when a connection breaks."""

    def _create_pool_manager(self) -> aiohttp.ClientSession:
        session = super()._create_pool_manager()
        session._retry_connection = False  # there is no public switch; a test counts what is sent
        return session


class Api:
    """An ApiClient with manners. Belongs to the event loop it was opened in."""

    def __init__(self, client: ApiClient, connection: Connection) -> None:
        self._client = client
        self._connection = connection

    @classmethod
    async def open(cls, connection: Connection) -> Api:
        """Read the configuration; nothing is sent yet. Raises `BadSettings`."""
        read = await configuration(connection)
        made = ApiClient(read)
        made.rest_client = Once(read)
        made.user_agent = connection.user_agent
        return cls(made, connection)

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()  # type: ignore[no-untyped-call]  # the library types its models only

    async def __aenter__(self) -> Api:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        attempts: int = READ_ATTEMPTS,
        seconds: float | None = None,
    ) -> Answer:
        """Read; tried again when the server is down, busy or breaks off. 404 and refusals are answers.

        Raises `ApiUnavailable` after the last attempt.
        """
        within = seconds or self._connection.timeout_seconds
        async for attempt in stamina.retry_context(
            on=_wait, attempts=attempts, timeout=READ_ATTEMPTS * within, wait_max=2.0, wait_jitter=0.2
        ):
            with attempt:
                answer = await self._exchange("GET", path, query, None, "", within)
                if answer.status == 429 or answer.status >= 500:
                    raise unavailable("GET", path, answer)
                return answer
        raise AssertionError("the last attempt returns or raises")

    async def list(
        self, kind: ResourceKind, namespace: str | None, selector: str = "", keep: Keep = whole
    ) -> tuple[str, tuple[Mapping[str, Any], ...]]:
        """All objects in pages, read live, with the resourceVersion of the reading. Raises like `demand`.

        `keep` says what of each object is kept, page by page: the whole of every object is never in memory at once.
        """
        path = path_of(kind, namespace)
        found: list[Mapping[str, Any]] = []
        query = {"limit": str(PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            answer = demand("list", path, await self.get(path, query))
            items = ({"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in answer.body["items"])
            found.extend(keep(kind, item) for item in items)
            about = answer.body["metadata"]
            if not about.get("continue"):
                return str(about["resourceVersion"]), tuple(found)
            query["continue"] = about["continue"]

    async def send(
        self,
        method: Method,
        path: str,
        body: Any,
        query: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
        seconds: float | None = None,
    ) -> Answer:
        """Send one change, once. Raises `NotSent` or `Lost`; every answer with a status is returned.

        The server is given the same deadline, so that what timed out here is not done there much later.
        """
        within = seconds or self._connection.timeout_seconds
        deadline = {"timeout": f"{max(1, round(min(within, 30.0)))}s"}
        return await self._exchange(method, path, {**(query or {}), **deadline}, body, content_type, within)

    async def stream(self, path: str, query: Mapping[str, str], silence: float) -> AsyncGenerator[bytes, None]:
        """Lines of an answer until the server ends it; raises `Silent` when nothing came for `silence` seconds."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._connection.connect_seconds, sock_read=silence)
        try:
            response = await self._request("GET", path, query, None, "", limits)
            try:
                if response.status != 200:
                    answer = _read(response, await response.read())
                    raise refused("watch", path, answer)
                async for line in _lines(response.content):
                    yield line
            finally:
                response.close()
        except aiohttp.SocketTimeoutError as cause:
            raise Silent(f"watch {path}: nothing was heard for {silence:g} s", REMEDY_DOWN) from cause
        except (aiohttp.ClientError, TimeoutError, OSError) as cause:
            raise Lost(f"watch {path}: {_words(cause)}", REMEDY_DOWN) from cause

    async def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        seconds: float,
    ) -> Answer:
        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=self._connection.connect_seconds)
        try:
            response = await self._request(method, path, query, body, content_type, limits)
            async with response:
                return _read(response, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as cause:
            raise NotSent(f"{method} {path}: no connection: {_words(cause)}", REMEDY_DOWN) from cause
        except (aiohttp.ClientError, TimeoutError, OSError) as cause:
            raise Lost(f"{method} {path}: no answer: {_words(cause)}", REMEDY_DOWN) from cause

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """The one place where the library is called."""
        headers = {"Accept": "application/json", "User-Agent": self._connection.user_agent}
        if content_type:
            headers["Content-Type"] = content_type
        for setting in (await self._client.configuration.auth_settings()).values():
            headers[setting["key"]] = setting["value"]
        url = f"{self._client.configuration.host}{path}{'?' + urlencode(query) if query else ''}"
        answer = await self._client.call_api(method, url, headers, body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response


def _wait(error: Exception) -> bool | timedelta:
    match error:
        case Busy(after=seconds):
            return timedelta(seconds=min(seconds, LONGEST_WAIT))
        case ApiUnavailable():
            return True
        case _:
            return False


def _read(response: aiohttp.ClientResponse, raw: bytes) -> Answer:
    try:
        body = json.loads(raw)
    except ValueError:
        body = {}
    return Answer(
        status=response.status,
        body=body if isinstance(body, dict) else {},
        retry_after=_seconds(response.headers.get("Retry-After", "")),
        text=raw.decode(errors="replace"),
    )


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() else None


def _words(cause: BaseException) -> str:
    return str(cause) or type(cause).__name__


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines; what a broken connection left unfinished is an error, never an event."""
    held = b""
    async for chunk in content.iter_any():
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
    if held.strip():
        raise aiohttp.ClientPayloadError("the stream ended inside an event")
