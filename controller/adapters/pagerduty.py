"""Notify by PagerDuty Events v2: one alert per incident, triggered and resolved under one `dedup_key`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.errors import NotifyUnavailable
from controller.outgoing import PATIENCE, Outgoing, Patience, encoded
from controller.ports import Notice

KEY = "pagerduty/key"
ENQUEUE = "https://events.pagerduty.com/v2/enqueue"
SEVERITIES = frozenset({"critical", "error", "warning", "info"})
SUMMARY = 1024
DEDUP = 255


class PagerDutyNotify:
    """Sends notices to an Events v2 integration. `secret` reads `pagerduty/key`, at each call: a rotation counts."""

    def __init__(self, secret: Callable[[str], str | None], url: str = ENQUEUE, patience: Patience = PATIENCE) -> None:
        self._secret = secret
        self._outgoing = Outgoing(url, "PagerDuty", "pagerduty_url", patience)

    async def send(self, notice: Notice) -> None:
        """Trigger or resolve; PagerDuty deduplicates by the notice's key."""
        routing_key = self._secret(KEY)
        if not routing_key:
            raise NotifyUnavailable(
                f"There is no secret {KEY}", "Put the integration key of an Events API v2 integration there."
            )
        await self._outgoing.post(encoded(event(notice, routing_key)), {})

    async def close(self) -> None:
        """Release connections."""
        await self._outgoing.close()


def event(notice: Notice, routing_key: str) -> dict[str, Any]:
    """The body of an event."""
    common = {"routing_key": routing_key, "dedup_key": f"trimtab/{notice.key}"[:DEDUP]}
    if notice.resolved:
        return {**common, "event_action": "resolve"}
    made: dict[str, Any] = {
        **common,
        "event_action": "trigger",
        "client": "trimtab",
        "payload": {
            "summary": notice.summary[:SUMMARY] or notice.key,
            "source": notice.source or "trimtab",
            "severity": notice.severity if notice.severity in SEVERITIES else "error",
            "custom_details": dict(notice.details),
        },
    }
    if notice.link:
        made |= {"client_url": notice.link, "links": [{"href": notice.link, "text": "The incident in trimtab"}]}
    return made
