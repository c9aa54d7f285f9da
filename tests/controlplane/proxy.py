"""Fault proxies: they stand before the API server or Prometheus and break the conversation the way networks do.

A fault is a frozen value, put in force with `proxy.mode = …` for the requests that follow (and, for `CutWatch` and
`HalfOpen`, for the streams under way). `proxy.requests` counts what arrived; `proxy.only` limits the fault to requests
it accepts. The proxy passes on everything else byte by byte, streams included.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
import yarl
from aiohttp import web
from multidict import CIMultiDict

from tests.controlplane.background import Background, application
from tests.controlplane.certificates import Authority
from tests.controlplane.kubeconfig import redirected
from tests.controlplane.ports import free_port

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "host", "content-length"}
)


@dataclass(frozen=True)
class Pass:
    """No fault."""


@dataclass(frozen=True)
class Refuse:
    """The connection is closed without an answer; new ones are refused."""


@dataclass(frozen=True)
class Hang:
    """The request is taken and never answered; it does not arrive behind the proxy either."""


@dataclass(frozen=True)
class Lost:
    """The request arrives and is carried out; its answer never comes back: the connection is closed."""


@dataclass(frozen=True)
class Delay:
    """Answered correctly, `seconds` late."""

    seconds: float


@dataclass(frozen=True)
class Status:
    """An error status instead of an answer; `retry_after` in seconds becomes the header."""

    code: int
    retry_after: int | None = None


@dataclass(frozen=True)
class Truncated:
    """The answer breaks off in the middle, its length promised in full."""


@dataclass(frozen=True)
class Empty:
    """A correct answer with nothing in it: no items, no series."""


@dataclass(frozen=True)
class Garbage:
    """200 with a body that is no JSON (a login page, say)."""


Fault = Pass | Refuse | Hang | Lost | Delay | Status | Truncated | Empty | Garbage


@dataclass(frozen=True)
class CutWatch:
    """Watch streams end without a word after `after` events (0: at once, those under way too)."""

    after: int = 0


@dataclass(frozen=True)
class HalfOpen:
    """Watch streams stay open and fall silent, those under way too; other requests pass."""


@dataclass(frozen=True)
class Gone:
    """A watch is answered with 200 and an ERROR event: 410, the version is too old."""


ApiFault = Fault | CutWatch | HalfOpen | Gone


@dataclass(frozen=True)
class NotANumber:
    """Every value is NaN."""


@dataclass(frozen=True)
class Infinite:
    """Every value is +Inf, or with `negative` -Inf."""

    negative: bool = False


@dataclass(frozen=True)
class Stale:
    """Samples of the last `seconds` are missing: a range ends that long ago, an instant vector is empty."""

    seconds: float = 600.0


@dataclass(frozen=True)
class Warned:
    """The answer is partial: it carries `warnings`."""

    text: str = "received error from store: context deadline exceeded"


@dataclass(frozen=True)
class Duplicated:
    """Every series comes twice, as from a pair of replicas, with another value."""

    label: str = "prometheus_replica"


@dataclass(frozen=True)
class ClockOff:
    """Prometheus' clock is off by `seconds`: every timestamp is moved."""

    seconds: float = 600.0


MetricsFault = Fault | NotANumber | Infinite | Stale | Warned | Duplicated | ClockOff


@dataclass(frozen=True)
class Seen:
    """A request that arrived at the proxy."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Basic:
    """Only with this user and password; 401 otherwise."""

    user: str
    password: str

    def admits(self, headers: "CIMultiDict[str] | Any") -> bool:
        """Whether the request carries them."""
        return bool(headers.get("Authorization") == aiohttp.encode_basic_auth(self.user, self.password))


@dataclass(frozen=True)
class Bearer:
    """Only with this token; 401 otherwise."""

    token: str

    def admits(self, headers: "CIMultiDict[str] | Any") -> bool:
        """Whether the request carries it."""
        return bool(headers.get("Authorization") == f"Bearer {self.token}")


@dataclass(frozen=True)
class Tenant:
    """Only with the header `X-Scope-OrgID` of this tenant; 401 otherwise, as Mimir does."""

    name: str

    def admits(self, headers: "CIMultiDict[str] | Any") -> bool:
        """Whether the request carries it."""
        return bool(headers.get("X-Scope-OrgID") == self.name)


Door = Basic | Bearer | Tenant


class FaultProxy:
    """An HTTP proxy before `target`; with `serving` it speaks TLS itself. `mode` is the fault in force."""

    def __init__(
        self,
        target: str,
        *,
        trust: Path | None = None,
        serving: ssl.SSLContext | None = None,
        door: Door | None = None,
    ) -> None:
        self.port = free_port()
        self.target = target
        self.url = f"{'https' if serving else 'http'}://127.0.0.1:{self.port}"
        self.only: Callable[[Seen], bool] = lambda seen: True
        self.requests: list[Seen] = []
        self._mode: Any = Pass()
        self._door = door
        self._serving = serving
        self._trust = ssl.create_default_context(cafile=str(trust)) if trust else None
        self._streams: set[asyncio.Task[Any]] = set()
        self._lock = threading.Lock()
        self._background = Background("fault proxy")
        self._background.run(self._open())

    @property
    def mode(self) -> Any:
        """The fault in force."""
        return self._mode

    @mode.setter
    def mode(self, fault: Any) -> None:
        self._background.run(self._switch(fault))

    def close(self) -> None:
        """Close every connection and return when the port is free."""
        self._background.run(self._shut())
        self._background.close()

    async def _open(self) -> None:
        self._client = aiohttp.ClientSession(
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            connector=aiohttp.TCPConnector(limit=0, ssl=self._trust if self._trust is not None else True),
        )
        # A dropped caller ends the request behind the proxy too, or its watch would go on for ever.
        self._runner = web.AppRunner(
            application(self._answer), access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._serving, reuse_address=True)
        await self._site.start()

    async def _shut(self) -> None:
        for task in self._streams:
            task.cancel()
        self._abort_all()
        await self._runner.cleanup()
        await self._client.close()

    async def _switch(self, fault: Any) -> None:
        was_refusing = isinstance(self._mode, Refuse)
        self._mode = fault
        if isinstance(fault, Refuse) and not was_refusing:
            await self._site.stop()
            self._abort_all()
        elif was_refusing and not isinstance(fault, Refuse):
            await self._listen()
        if isinstance(fault, CutWatch) and fault.after == 0:
            for task in list(self._streams):
                task.cancel()

    def _abort_all(self) -> None:
        """Cut every connection; a polite TLS farewell would wait for callers that say nothing any more."""
        for connection in list(self._runner.server.connections if self._runner.server else ()):
            if connection.transport is not None:
                connection.transport.abort()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(request.method, request.path, request.query_string, dict(request.headers))
        with self._lock:
            self.requests.append(seen)
        if self._door is not None and not self._door.admits(request.headers):
            return web.Response(status=401, text="no")
        fault = self._mode if self.only(seen) else Pass()
        return await self._broken(request, fault)

    async def _broken(self, request: web.Request, fault: Any) -> web.StreamResponse:
        match fault:
            case Pass():
                return await self._forward(request)
            case Refuse():
                _abort(request)
                return web.Response()
            case Hang():
                await asyncio.Event().wait()
                return web.Response()
            case Lost():
                await self._whole(request)
                _abort(request)
                return web.Response()
            case Delay(seconds):
                await asyncio.sleep(seconds)
                return await self._forward(request)
            case Status(code, retry_after):
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                return web.Response(status=code, headers=headers, text="planted by the fault proxy")
            case Truncated():
                return await self._cut_in_half(request)
            case Garbage():
                return web.Response(text="<html>please log in</html>", content_type="text/html")
            case _:
                return await self._special(request, fault)

    async def _special(self, request: web.Request, fault: Any) -> web.StreamResponse:
        """The faults that know the protocol; a subclass's business."""
        raise TypeError(f"{fault!r} is no fault of {type(self).__name__}; see tests/README.md")

    async def _behind(self, request: web.Request, headers: dict[str, str] | None = None) -> aiohttp.ClientResponse:
        passed: CIMultiDict[str] = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP
        )
        passed.update(headers or {})
        body = await request.read()
        url = self.target + request.raw_path
        return await self._client.request(
            request.method, yarl.URL(url, encoded=True), headers=passed, data=body or None, allow_redirects=False
        )

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        async with await self._behind(request) as answer:
            response = web.StreamResponse(status=answer.status, headers=_passed_back(answer))
            if "watch" in request.query:
                return await self._stream(request, answer, response)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    async def _stream(
        self,
        request: web.Request,
        answer: aiohttp.ClientResponse,
        response: web.StreamResponse,
        limit: int | None = None,
    ) -> web.StreamResponse:
        """Pass a watch on line by line; a cancelled one ends without the last chunk, as a cut wire does."""
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            count = 0
            async for line in answer.content:
                if limit is not None and count >= limit:
                    break
                if isinstance(self._mode, HalfOpen):
                    await asyncio.Event().wait()
                await response.write(line)
                count += 1
            if limit is not None:
                _abort(request)
            return response
        except asyncio.CancelledError:
            _abort(request)
            raise
        finally:
            self._streams.discard(task)

    async def _whole(
        self, request: web.Request, headers: dict[str, str] | None = None
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        async with await self._behind(request, {"Accept-Encoding": "identity", **(headers or {})}) as answer:
            return answer, await answer.read()

    async def _cut_in_half(self, request: web.Request) -> web.StreamResponse:
        answer, body = await self._whole(request)
        response = web.StreamResponse(status=answer.status, headers=_passed_back(answer))
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await asyncio.sleep(0.05)
        _abort(request)
        return response


class ApiServerProxy(FaultProxy):
    """Before an API server: terminates TLS with a certificate of its own, and hands out kubeconfigs that trust it.

    A client certificate ends here, so users are passed on by token: a kubeconfig with a certificate is refused.
    """

    def __init__(self, kubeconfig: Path, ca: Path, server: str, folder: Path) -> None:
        self._folder = folder
        self._authority = Authority(folder / "pki", "proxy-ca")
        pair = self._authority.server("proxy", ("127.0.0.1", "localhost"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        self.authority = self._authority.cert.read_bytes()
        super().__init__(server, trust=ca, serving=context)
        self.kubeconfig = self.kubeconfig_for(kubeconfig)

    def kubeconfig_for(self, kubeconfig: Path) -> Path:
        """The same user as in `kubeconfig` (which needs a token), by way of this proxy."""
        user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
        if "token" not in user:
            raise TypeError(f"{kubeconfig} has no token; a client certificate does not reach through a proxy")
        return redirected(kubeconfig, self._folder / f"via-{self.port}-{kubeconfig.name}", self.url, self.authority)

    @property
    def mode(self) -> ApiFault:
        """The fault in force."""
        fault: ApiFault = self._mode
        return fault

    @mode.setter
    def mode(self, fault: ApiFault) -> None:
        self._background.run(self._switch(fault))

    async def _special(self, request: web.Request, fault: Any) -> web.StreamResponse:
        watching = "watch" in request.query
        match fault:
            case Empty():
                return await self._without_items(request)
            case Gone() if watching:
                return web.Response(text=json.dumps(_GONE) + "\n", content_type="application/json")
            case CutWatch(after) if watching:
                async with await self._behind(request) as answer:
                    response = web.StreamResponse(status=answer.status, headers=_passed_back(answer))
                    return await self._stream(request, answer, response, limit=after)
            case CutWatch() | HalfOpen() | Gone():
                return await self._forward(request)
            case _:
                return await super()._special(request, fault)

    async def _without_items(self, request: web.Request) -> web.StreamResponse:
        answer, body = await self._whole(request, {"Accept": "application/json"})
        decoded = json.loads(body)
        if "items" in decoded:
            decoded["items"] = []
        return web.json_response(decoded, status=answer.status)


class PrometheusProxy(FaultProxy):
    """Before a Prometheus; its special faults rewrite the answers of the query API."""

    @property
    def mode(self) -> MetricsFault:
        """The fault in force."""
        fault: MetricsFault = self._mode
        return fault

    @mode.setter
    def mode(self, fault: MetricsFault) -> None:
        self._background.run(self._switch(fault))

    async def _special(self, request: web.Request, fault: Any) -> web.StreamResponse:
        answer, body = await self._whole(request)
        if "json" not in answer.content_type:
            return web.Response(body=body, status=answer.status, content_type=answer.content_type)
        decoded = json.loads(body)
        # json writes the bare words NaN and Infinity nowhere here: Prometheus' values are strings.
        return web.json_response(rewritten(decoded, fault), status=answer.status)


def rewritten(body: dict[str, Any], fault: Any) -> dict[str, Any]:
    """An answer of Prometheus' query API with the fault in it; anything else than samples stays as it is."""
    if isinstance(fault, Warned):
        return {**body, "warnings": [fault.text]}
    data = body.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("result"), list):
        return {**body, "data": []} if isinstance(fault, Empty) and isinstance(data, list) else body
    if data.get("resultType") not in {"vector", "matrix"}:
        return body
    match fault:
        case Empty():
            series: list[dict[str, Any]] = []
        case NotANumber():
            series = [_mapped(one, lambda at, value: (at, "NaN")) for one in data["result"]]
        case Infinite(negative):
            word = "-Inf" if negative else "+Inf"
            series = [_mapped(one, lambda at, value: (at, word)) for one in data["result"]]
        case ClockOff(seconds):
            series = [_mapped(one, lambda at, value: (at + seconds, value)) for one in data["result"]]
        case Stale(seconds):
            series = _without_the_last(data["result"], seconds)
        case Duplicated(label):
            series = [copy for one in data["result"] for copy in _twice(one, label)]
        case _:
            raise TypeError(f"{fault!r} is no fault of a Prometheus; see tests/README.md")
    return {**body, "data": {**data, "result": series}}


def _mapped(series: dict[str, Any], change: Callable[[float, str], tuple[float, str]]) -> dict[str, Any]:
    if "value" in series:
        return {**series, "value": list(change(*series["value"]))}
    return {**series, "values": [list(change(*pair)) for pair in series["values"]]}


def _without_the_last(series: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    ranges = [one for one in series if one.get("values")]
    if not ranges:
        return []
    end = max(one["values"][-1][0] for one in ranges) - seconds
    cut = ({**one, "values": [pair for pair in one["values"] if pair[0] <= end]} for one in ranges)
    return [one for one in cut if one["values"]]


def _twice(series: dict[str, Any], label: str) -> list[dict[str, Any]]:
    other = _mapped(series, lambda at, value: (at, str(float(value) * 1.01)))
    return [{**one, "metric": {**one["metric"], label: name}} for name, one in (("a", series), ("b", other))]


_GONE = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "too old resource version: 1 (2)",
        "reason": "Expired",
        "code": 410,
    },
}


def _passed_back(answer: aiohttp.ClientResponse) -> "CIMultiDict[str]":
    return CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
