"""One JSON message to somebody else's server: bounded in time, repeated only where that may help, refused with a
remedy.

Repeated are connections that failed and answers of 5xx, with the same bytes and the same idempotency key. An answer
of 4xx is repeated by nobody. Addresses may carry secrets, so only the host of one is ever told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import stamina

from controller.errors import NotifyUnavailable
from controller.failpoints import around


class Busy(Exception):
    """The server answered 5xx."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for one answer, how often to try, and how long in all. Seconds."""

    timeout: float = 10.0
    attempts: int = 3
    in_all: float = 30.0
    first_pause: float = 0.2


PATIENCE = Patience()


class Outgoing:
    """Posts to one address. `what` names the receiver in errors, `where` the setting that holds its address."""

    def __init__(self, url: str, what: str, where: str, patience: Patience = PATIENCE) -> None:
        self._url = url
        self._what = what
        self._where = where
        self._patience = patience
        self._client = httpx2.AsyncClient(timeout=patience.timeout, follow_redirects=False)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return once the server took it (2xx); raises NotifyUnavailable."""
        try:
            async for attempt in stamina.retry_context(
                on=(httpx2.TransportError, Busy),
                attempts=self._patience.attempts,
                timeout=self._patience.in_all,
                wait_initial=self._patience.first_pause,
                wait_jitter=self._patience.first_pause,
            ):
                with attempt:
                    await self._once(body, headers)
        except (httpx2.HTTPError, httpx2.InvalidURL, Busy, ValueError) as cause:
            raise self._unreachable(cause) from None  # the cause may repeat an address with a secret in it

    async def close(self) -> None:
        """Release connections."""
        await self._client.aclose()

    async def _once(self, body: bytes, headers: Mapping[str, str]) -> None:
        async with around("notify.send"):
            response = await self._client.post(
                self._url, content=body, headers={"Content-Type": "application/json", **headers}
            )
        if response.status_code >= 500:
            raise Busy(f"status {response.status_code}")
        if not response.is_success:
            raise self._refused(response.status_code, response.text)

    def _unreachable(self, cause: Exception) -> NotifyUnavailable:
        words = str(cause) if isinstance(cause, Busy) else type(cause).__name__
        return NotifyUnavailable(
            f"{self._what} at {self._host()} did not take the notice: {words}",
            f"Check that it runs, the network policy, and the setting {self._where}.",
        )

    def _refused(self, status: int, said: str) -> NotifyUnavailable:
        remedies = {
            401: "Check its secret.",
            403: "Check its secret.",
            404: f"Check the setting {self._where}.",
            429: "Nothing: it is sent again later.",
        }
        words = " ".join(said.split())[:200]
        return NotifyUnavailable(
            f"{self._what} at {self._host()} refused the notice with status {status}{f': {words}' if words else ''}",
            remedies.get(status, f"Check the setting {self._where} and what that server expects."),
        )

    def _host(self) -> str:
        try:
            return httpx2.URL(self._url).host or "an address without a host"
        except httpx2.InvalidURL:
            return "an address that cannot be read"


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON that is the same for the same body, so that a repetition is the same bytes."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
