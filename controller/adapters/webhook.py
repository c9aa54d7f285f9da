"""Notify by a generic webhook: the notice as JSON, signed where a secret is given.

POST with Content-Type: application/json
Idempotency-Key: the same for the same notice, another when it changed or was resolved
X-Trimtab-Signature-256: sha256=HEX, the HMAC-SHA256 of the body under secret `webhook/secret`
{"key", "status": "open" | "resolved", "severity", "summary", "source", "link", "details": {…}, "sender": "trimtab"}
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from controller.outgoing import PATIENCE, Outgoing, Patience, encoded
from controller.ports import Notice

SECRET = "webhook/secret"  # noqa: S105 -- the name of a secret, not one


class WebhookNotify:
    """Sends notices to `url`. `secret` reads a secret by name, at each call, so that a rotation counts."""

    def __init__(self, url: str, secret: Callable[[str], str | None], patience: Patience = PATIENCE) -> None:
        self._secret = secret
        self._outgoing = Outgoing(url, "The webhook", "webhook_url", patience)

    async def send(self, notice: Notice) -> None:
        """Deliver; the receiver deduplicates by `key`, or a repetition of the same bytes by `Idempotency-Key`."""
        body = encoded(content(notice))
        headers = {"Idempotency-Key": hashlib.sha256(body).hexdigest()[:32]}
        secret = self._secret(SECRET)
        if secret:
            headers["X-Trimtab-Signature-256"] = f"sha256={signature(body, secret)}"
        await self._outgoing.post(body, headers)

    async def close(self) -> None:
        """Release connections."""
        await self._outgoing.close()


def content(notice: Notice) -> dict[str, object]:
    """The body."""
    return {
        "sender": "trimtab",
        "key": notice.key,
        "status": "resolved" if notice.resolved else "open",
        "severity": notice.severity,
        "summary": notice.summary,
        "source": notice.source,
        "details": dict(notice.details),
        "link": notice.link,
    }


def signature(body: bytes, secret: str) -> str:
    """What the receiver computes to know that it was us."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
