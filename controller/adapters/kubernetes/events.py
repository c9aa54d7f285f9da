"""Events (events.k8s.io/v1): what trimtab says about an object, where `kubectl describe` shows it.

Promises little, on purpose: best effort. The same words about the same object within some minutes become one Event
with a series, as the API asks of its reporters; a refusal is logged and forgotten.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from controller.adapters.kubernetes.answers import refused
from controller.adapters.kubernetes.client import MERGE_PATCH, Api, path_of
from controller.adapters.kubernetes.kinds import EVENTS
from controller.adapters.kubernetes.leases import micro_time
from controller.errors import ApiUnavailable
from controller.failpoints import around

log = structlog.get_logger(__name__)

CONTROLLER = "trimtab.dev/trimtab"
SERIES_WINDOW = timedelta(minutes=6)
"""After this long without a repeat a series is over and the next occurrence is a new Event (as client-go has it)."""

REMEMBERED = 1000
LONGEST_NOTE = 1024
LONGEST_WORD = 128


@dataclass(frozen=True, slots=True)
class _Series:
    namespace: str
    name: str
    count: int
    last: datetime


class EventLog:
    """Writes Events as `instance` (the pod's name)."""

    def __init__(self, api: Api, now: Callable[[], datetime], instance: str) -> None:
        self._api = api
        self._now = now
        self._instance = instance
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()

    async def record(self, regarding: Mapping[str, Any], reason: str, note: str, *, warning: bool, action: str) -> None:
        """Begin an Event, or count on the one that says the same. Raises `ApiUnavailable`, nothing else."""
        whom = (str(regarding["metadata"].get(part, "")) for part in ("namespace", "name", "uid"))
        key = (str(regarding["kind"]), *whom, reason, note, action)
        now = self._now()
        running = self._series.get(key)
        if running is None or now - running.last > SERIES_WINDOW or not await self._repeated(key, running, now):
            await self._begun(key, regarding, reason, note, warning, action, now)

    async def _begun(
        self,
        key: tuple[str, ...],
        regarding: Mapping[str, Any],
        reason: str,
        note: str,
        warning: bool,
        action: str,
        now: datetime,
    ) -> None:
        body = event_of(regarding, reason, note, warning, action, now, self._instance)
        metadata = body["metadata"]
        path = path_of(EVENTS, metadata["namespace"])
        async with around("resources.record"):
            answer = await self._api.send("POST", path, body)
        if answer.ok:
            self._series[key] = _Series(metadata["namespace"], metadata["name"], 1, now)
            self._series.move_to_end(key)
            while len(self._series) > REMEMBERED:
                self._series.popitem(last=False)
            return
        error = refused("create", path, answer)
        if isinstance(error, ApiUnavailable):
            raise error
        log.warning("event refused", reason=reason, error=str(error))

    async def _repeated(self, key: tuple[str, ...], running: _Series, now: datetime) -> bool:
        """Whether the running Event could be counted on."""
        count = running.count + 1
        path = path_of(EVENTS, running.namespace, running.name)
        body = {"series": {"count": count, "lastObservedTime": micro_time(now)}}
        async with around("resources.record"):
            answer = await self._api.send("PATCH", path, body, content_type=MERGE_PATCH)
        if answer.ok:
            self._series[key] = _Series(running.namespace, running.name, count, now)
        return answer.ok


def event_of(
    regarding: Mapping[str, Any],
    reason: str,
    note: str,
    warning: bool,
    action: str,
    now: datetime,
    instance: str,
) -> dict[str, Any]:
    """The Event, cut to what the API takes. About an object without a namespace it lies in `default`."""
    about = regarding["metadata"]
    namespace = about.get("namespace") or "default"
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": f"{about['name'][:200]}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "eventTime": micro_time(now),
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:LONGEST_WORD],
        "reason": reason[:LONGEST_WORD],
        "action": action[:LONGEST_WORD],
        "note": cut(note),
        "type": "Warning" if warning else "Normal",
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "name": about["name"],
            **{key: about[key] for key in ("namespace", "uid") if about.get(key)},
        },
    }


def cut(note: str) -> str:
    """At most 1,024 bytes, ending in a whole character."""
    return note.encode()[:LONGEST_NOTE].decode(errors="ignore")
