"""A person at the page without a browser: keeps cookies, finds the form token, sends forms as a browser would."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response

from controller.web.app import create_app
from controller.web.options import Options
from tests.web.memory import MemoryBackend

CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Visit:
    """One browser on one app."""

    app: FastAPI
    http: AsyncClient
    backend: MemoryBackend

    async def get(self, path: str, **headers: str) -> Response:
        """One page; header names with `_` for `-`."""
        return await self.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def token_of(self, path: str) -> str:
        """The form token of a page."""
        found = CSRF.search((await self.get(path)).text)
        assert found is not None, path
        return found.group(1)

    async def send(self, path: str, shown_on: str, **fields: str) -> Response:
        """A form as it stood on a page."""
        return await self.http.post(path, data={"csrf": await self.token_of(shown_on), **fields})

    async def login(self, token: str = "token-of-mara", next: str = "/") -> Response:
        """Paste a token."""
        return await self.send("/login", "/login", token=token, next=next)


def visit(
    backend: MemoryBackend, options: Options | None = None, client: tuple[str, int] = ("10.9.9.9", 4711)
) -> Visit:
    """A fresh browser; `client` is the address it comes from."""
    app = create_app(backend, options)
    transport = ASGITransport(app=app, client=client, raise_app_exceptions=False)
    scheme = "https" if options is not None and options.https else "http"
    return Visit(app, AsyncClient(transport=transport, base_url=f"{scheme}://page.test"), backend)
