"""Metrics on a Prometheus-compatible server.

Promises that the event loop never waits for a socket or a parser (both run in a few threads), that no call outlives
its deadline, that nothing is retried (the next round asks again), and that whatever is wrong with an answer is
`Unavailable` or a named problem. Besides the answer, each reading carries the server's pulse, probed at most once per
scrape interval: a rate shows neither that scrapes stopped minutes ago nor that the server has just restarted (see
`core.reading`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import requests
import structlog
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from controller.adapters.prometheus.connection import Connection
from controller.adapters.prometheus.decode import WrongType, paths_of, said_of, samples_of
from controller.adapters.prometheus.session import Answer, BoundedSession, Unanswered, error_of
from controller.core.reading import Pulse, Said, chunks, read_instant, read_pulse, read_range, shortened
from controller.errors import BadQuery
from controller.ports import Paths, Samples, Unavailable
from detectors.series import DataHealth

log = structlog.get_logger(__name__)
T = TypeVar("T")

POSSIBLE = 1e9
"""Seconds or scrapes: a pulse beyond, or none that is a number, says nothing."""


class PrometheusMetrics:
    """One server. `now` is our clock, which the server's is held against."""

    def __init__(self, connection: Connection, now: Callable[[], datetime]) -> None:
        self._connection = connection
        self._now = now
        self._threads = ThreadPoolExecutor(connection.threads, thread_name_prefix="prometheus")
        self._local = threading.local()
        self._sessions: list[BoundedSession] = []
        self._pulse_lock = threading.Lock()
        self._pulse: tuple[float, DataHealth] | None = None

    async def instant(self, query: str, at: datetime) -> Samples | Unavailable:
        """Evaluate at one time; see the port."""
        return await self._in_thread(partial(self._instant, query, at))

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths | Unavailable:
        """Evaluate over [start, end], in chunks of at most 11,000 points; see the port."""
        return await self._in_thread(partial(self._range, query, start, end, step))

    async def pulse(self) -> Pulse | Unavailable:
        """The server's own state, asked now (for `doctor`)."""
        return await self._in_thread(self._ask_pulse)

    async def close(self) -> None:
        """Release connections; calls that still run end by their own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for session in self._sessions:
            session.close()

    async def _in_thread(self, call: Callable[[], T]) -> T | Unavailable:
        limit = self._connection.deadline.total_seconds()
        work = partial(self._guarded, call, time.monotonic() + limit)
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._threads, work), limit)
        except TimeoutError:
            return Unavailable(f"{self._connection.host}: no complete answer within {limit:g} s")

    def _guarded(self, call: Callable[[], T], expires: float) -> T | Unavailable:
        """Run one call in a thread; every way to get no answer becomes `Unavailable`."""
        self._session().expires = expires
        try:
            return call()
        except Unanswered as error:
            reason = str(error)
        except (requests.Timeout, TimeoutError):
            reason = f"no answer within {self._connection.read_timeout.total_seconds():g} s"
        except requests.exceptions.SSLError:
            reason = "TLS failed: check the CA file and the client certificate"
        except requests.ConnectionError:
            reason = "the connection was refused or broke off"
        except (requests.RequestException, HTTPError, OSError) as error:
            reason = f"the request failed ({type(error).__name__})"
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            reason = f"the answer is not that of the Prometheus API ({shortened(str(error), 80)})"
        log.warning("metrics unavailable", host=self._connection.host, reason=reason)
        return Unavailable(f"{self._connection.host}: {reason}")

    def _instant(self, query: str, at: datetime) -> Samples:
        health = self._health()
        body = self._ask(lambda client: client.custom_query(query, params={"time": at.timestamp()}))
        with asked_right(query):
            samples = read_instant(samples_of(body), at, self._connection.trust, said_of(body))
        return replace(samples, health=health | samples.health)

    def _range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths:
        health = self._health()
        raw = []
        warnings: tuple[str, ...] = ()
        for first, last in chunks(start, end, step):
            # Exact instants: the client would round them to seconds and miss the grid.
            exact = {"start": first.timestamp(), "end": last.timestamp()}
            ask = partial(range_query, query=query, first=first, last=last, step=step, params=exact)
            body = self._ask(ask)
            with asked_right(query):
                raw += paths_of(body)
            warnings += said_of(body).warnings
        paths = read_range(raw, start, end, step, self._connection.trust, Said(warnings))
        return Paths(paths.start, paths.step, paths.paths, health | paths.health)

    def _health(self) -> DataHealth:
        """The pulse as health, at most one scrape interval old; one thread asks, the others wait for it."""
        with self._pulse_lock:
            fresh = self._connection.trust.scrape_interval.total_seconds()
            if self._pulse is None or time.monotonic() - self._pulse[0] >= fresh:
                self._pulse = (time.monotonic(), read_pulse(self._ask_pulse(), self._now(), self._connection.trust))
            return self._pulse[1]

    def _ask_pulse(self) -> Pulse:
        try:
            body = self._ask(lambda client: client.custom_query(pulse_query(self._connection)))
        except BadQuery as error:
            raise Unanswered("the selector in prometheus_pulse is refused: correct it") from error
        said = [sample for sample in samples_of(body) if abs(sample.value) < POSSIBLE]
        found = {sample.labels.get("pulse", ""): sample for sample in said}
        age, scrapes = found.get("age"), found.get("scrapes")
        return Pulse(
            server_time=next((sample.at for sample in found.values()), None),
            age=timedelta(seconds=age.value) if age else None,
            scrapes=int(scrapes.value) if scrapes else None,
            oldest="oldest" in found,
        )

    def _ask(self, call: Callable[[PrometheusConnect], Any]) -> Mapping[str, Any]:
        """One request through the client; the whole body, since the client returns `data.result` only."""
        session = self._session()
        try:
            call(self._local.client)
        except PrometheusApiClientException as error:
            raise refused(session.last) from error
        if session.last is None:
            raise Unanswered("no answer")
        body = session.last.json()
        if not isinstance(body, dict):
            raise Unanswered("the answer is not that of the Prometheus API")
        return body

    def _session(self) -> BoundedSession:
        """This thread's session and client; sessions are not made for sharing, and `last` must be the caller's own."""
        session: BoundedSession | None = getattr(self._local, "session", None)
        if session is None:
            session = BoundedSession(self._connection)
            self._local.session = session
            # read=False: a timeout stays one, instead of "too many retries".
            self._local.client = PrometheusConnect(
                self._connection.base, session=session, retry=Retry(0, read=False, redirect=False)
            )
            self._sessions.append(session)
        return session


class asked_right:  # noqa: N801 -- a context manager, read as a phrase
    """Turns a result of the wrong kind into `BadQuery`."""

    def __init__(self, query: str) -> None:
        self._query = query

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WrongType):
            raise BadQuery(
                f"`{shortened(self._query)}` gives a {error.kind}",
                "ask for numbers: an instant vector, or rate(…) of a range",
            ) from error


def range_query(
    client: PrometheusConnect, query: str, first: datetime, last: datetime, step: timedelta, params: Mapping[str, float]
) -> Any:
    """One chunk of a range."""
    return client.custom_query_range(query, first, last, f"{step.total_seconds():g}", params=params)


def refused(answer: Answer | None) -> Exception:
    """What a status other than 200 means.

    Only a query that cannot be parsed is the asker's fault; the rest is the server's.
    """
    if answer is None:
        return Unanswered("no answer")
    error = error_of(answer)
    text = shortened(str(error.get("error", "")))
    match answer.status_code:
        case 400 if error.get("errorType") == "bad_data":
            return BadQuery(f"the server refuses the query: {text}", "correct the PromQL in the policy's signals")
        case 401 | 403:
            return Unanswered(
                f"the login is refused ({answer.status_code}): check the bearer or basic file and the tenant"
            )
        case 404:
            return Unanswered("nothing answers at this path (404): check the path prefix in the address")
        case status if 300 <= status < 400:
            return Unanswered(f"it redirects ({status}), which is not followed: set the final address")
        case status:
            return Unanswered(f"status {status}" + (f": {text}" if text else ""))


def pulse_query(connection: Connection) -> str:
    """Age of the newest scrape, scrapes in the look-back, and whether the look-back's beginning holds one: one plain
    query.

    Plain PromQL on the scraped series instead of `process_start_time_seconds` or the head's minimum time: those
    belong to one Prometheus process, and Thanos or Mimir answer with many of them or none.
    """
    trust = connection.trust
    window, two = round(trust.look_back.total_seconds()), max(1, round(2 * trust.scrape_interval.total_seconds()))
    offset = f" offset {window - two}s" if window > two else ""
    parts = {
        "age": f"time() - max(timestamp({connection.pulse}))",
        "scrapes": f"max(count_over_time({connection.pulse}[{window}s]))",
        "oldest": f"max(count_over_time({connection.pulse}[{two}s]{offset}))",
    }
    return " or ".join(f'label_replace({part}, "pulse", "{name}", "", "")' for name, part in parts.items())
