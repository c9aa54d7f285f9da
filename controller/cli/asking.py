"""Asking the running program over its page, as whoever the kubeconfig names.

Promises that the token goes nowhere but to the address that was asked for, and never in the clear over a network; and
that a program which does not run is told apart from one that refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2

from controller.app import own_token
from controller.cli.setup import in_pod
from controller.errors import BadSettings, Denied, ProgramUnavailable
from controller.settings import Settings

TIMEOUT = 15.0
"""Seconds to wait for an answer."""
ALIVE = "ok\n"
"""What the liveness probe answers: a token is only shown where this is said."""
REMEDY = "name a file with a Kubernetes token: --token-file (kubectl -n NAMESPACE create token ACCOUNT > FILE)"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page is, and the file with a token; empty: this machine's, and what the kubeconfig holds."""

    url: str = ""
    token_file: Path | None = None


async def ask(settings: Settings, address: Address, path: str, command: str, **parameters: str) -> Mapping[str, Any]:
    """The JSON that a path of the page answers. Raises BadSettings, Denied, ProgramUnavailable."""
    base = (address.url or f"http://127.0.0.1:{settings.http_port}").rstrip("/")
    private(base)
    told = f"is it running here? Where it runs: {in_pod(settings, command)}; or name its page with --url"
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
            if (await client.get(f"{base}/healthz")).text != ALIVE:
                raise ProgramUnavailable(f"what answers at {base} is not trimtab", told)
            shown = {"authorization": f"Bearer {await token_of(settings, address)}"}
            answer = await client.get(f"{base}{path}", params=parameters, headers=shown)
    except (httpx2.TransportError, httpx2.InvalidURL) as error:
        raise ProgramUnavailable(f"trimtab does not answer at {base} ({type(error).__name__})", told) from error
    return said(answer, base, told)


def said(answer: httpx2.Response, base: str, told: str) -> Mapping[str, Any]:
    """The answer as JSON; raises what it says went wrong."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProgramUnavailable(f"what answers at {base} is not trimtab (status {answer.status_code})", told)
    if answer.is_success:
        return found
    why = str(found.get("error") or f"status {answer.status_code}")
    if answer.status_code in (401, 403):
        raise Denied(f"trimtab at {base} does not let you in: {why}", REMEDY)
    raise ProgramUnavailable(f"trimtab at {base} cannot say: {why}", str(found.get("remedy") or told))


async def token_of(settings: Settings, address: Address) -> str:
    """The token of the file, else that of the kubeconfig or the pod. Raises BadSettings."""
    if address.token_file is None:
        try:
            token = await own_token(settings)
        except BadSettings as error:
            raise BadSettings("there is no token to show to trimtab", REMEDY) from error
        if not token:
            raise BadSettings("your kubeconfig holds no token (it logs in by certificate)", REMEDY)
        return token
    try:
        token = address.token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSettings(f"{address.token_file} cannot be read: {error.strerror}", REMEDY) from error
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadSettings(f"{address.token_file} holds no token", REMEDY)
    return token


def private(base: str) -> None:
    """Raises BadSettings where a token would travel in the clear, or the address is none."""
    try:
        url = httpx2.URL(base)
    except httpx2.InvalidURL as error:
        raise BadSettings(f"--url {base!r} is no address", "write http://127.0.0.1:8080 or https://HOST") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise BadSettings(f"--url {base!r} is no address", "write http://127.0.0.1:8080 or https://HOST")
    if url.scheme == "http" and not loopback(url.host):
        message = f"your token would travel to {url.host} in the clear"
        raise BadSettings(message, "use https, or kubectl port-forward and http://127.0.0.1")


def loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
