"""What every answer carries and every request is bounded by: strict headers, a largest body. Plain ASGI, so that
streams stay streams.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.core.alertmanager import MOST_BYTES

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""No inline script or style, nothing from elsewhere, no frame (S36)."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

MOST_FORM_BYTES = 65_536
BIG_PATHS = {"/v1/alerts": MOST_BYTES + 1}
"""One byte more than is parsed, so that the parser says what is wrong."""


class Shield:
    """The outermost layer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, bounded; the answer back, with its headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = BIG_PATHS.get(scope["path"], MOST_FORM_BYTES)
        headers = dict(scope["headers"])
        if b"transfer-encoding" in headers:
            await _refused(send, 411, "Say how long the body is: a chunked one is not read.")
            return
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 12 or int(declared) > most:
            await _refused(send, 413, f"The body is larger than {most} bytes, or its length is no number.")
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
                answer.setdefault("cache-control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
            await send(message)

        await self._app(scope, receive, guarded)


async def _refused(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
