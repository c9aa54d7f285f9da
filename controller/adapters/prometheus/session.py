"""The HTTP side: a `requests.Session` with the bounds that `prometheus-api-client` does not have.

Every request has a connect and a read timeout and a total deadline, follows no redirect (it would carry the tenant
and the query elsewhere), reads no .netrc and no proxy from the environment, and stops reading at a byte limit,
decompressed. The last answer is kept, because the client hands out `data.result` only and drops `warnings`.
"""

from __future__ import annotations

import http.cookiejar
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from requests.auth import AuthBase, _basic_auth_str

from controller.adapters.prometheus.connection import Connection

PIECE = 1 << 16


class Unanswered(Exception):
    """The server gave no usable answer; the message is for people and holds no secret."""


class Answer(requests.Response):
    """A response whose body has been read within bounds; parsed once."""

    def __init__(self, original: requests.Response, body: bytes) -> None:
        super().__init__()
        self.status_code = original.status_code
        self.headers = original.headers
        self.url = original.url
        self._body = body
        self._parsed: Any = None

    @property
    def content(self) -> bytes:
        """The whole body."""
        return self._body

    def json(self, **_: Any) -> Any:
        """The body as JSON; raises ValueError like the original."""
        if self._parsed is None:
            try:
                self._parsed = json.loads(self._body)
            except RecursionError as error:
                raise ValueError("nested too deep") from error
        return self._parsed


class FileAuth(AuthBase):
    """Puts the login into each request, from its file as it is now."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header; raises `Unanswered` when the file cannot be read."""
        connection = self._connection
        if connection.bearer_file:
            request.headers["Authorization"] = f"Bearer {secret(connection.bearer_file)}"
        elif connection.username is not None and connection.password_file:
            request.headers["Authorization"] = _basic_auth_str(connection.username, secret(connection.password_file))
        return request


class BoundedSession(requests.Session):
    """One thread's session. `expires` is the monotonic time at which the present call gives up."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self.trust_env = False
        self.auth = FileAuth(connection)
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self.verify = str(connection.ca_file) if connection.ca_file else True
        if connection.certificate_file and connection.key_file:
            self.cert = (str(connection.certificate_file), str(connection.key_file))
        elif connection.certificate_file:
            self.cert = str(connection.certificate_file)
        if connection.tenant:
            self.headers["X-Scope-OrgID"] = connection.tenant
        self.expires = float("inf")
        self.last: Answer | None = None

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> Answer:  # noqa: D102 -- as its base; the signature of requests, passed through
        self.last = None
        left = self._left()
        timeouts = (self._connection.connect_timeout, self._connection.read_timeout)
        kwargs |= {
            "stream": True,
            "allow_redirects": False,
            "timeout": tuple(min(timeout.total_seconds(), left) for timeout in timeouts),
        }
        with super().request(method, url, *args, **kwargs) as response:
            self.last = Answer(response, self._body(response))
        return self.last

    def _body(self, response: requests.Response) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := response.raw.read1(PIECE, decode_content=True):
            size += len(piece)
            if size > self._connection.most_bytes:
                raise Unanswered(f"the answer is larger than {self._connection.most_bytes} bytes")
            pieces.append(piece)
            self._left()
        return b"".join(pieces)

    def _left(self) -> float:
        left = self.expires - time.monotonic()
        if left <= 0:
            raise Unanswered(f"no complete answer within {self._connection.deadline.total_seconds():g} s")
        return left


def secret(path: Path) -> str:
    """A secret from its file, without the final newline; never part of a message."""
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unanswered(f"cannot read the login file {path.name} ({type(error).__name__})") from error
    if not value or not value.isprintable():
        raise Unanswered(f"the login file {path.name} is empty or not one line of text")
    return value


def error_of(answer: Answer) -> Mapping[str, Any]:
    """The error object of the Prometheus API, empty when the body is something else."""
    try:
        parsed = answer.json()
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
