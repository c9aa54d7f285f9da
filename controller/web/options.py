"""How the page is set up: who may come through a proxy, which secrets it reads, how long a login lasts.

Promises that whatever is absent is closed: no proxy secret means that no proxy header counts, no alert token means
that no alert is taken in. Secrets are read at each use, so a rotation counts.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

from controller.errors import BadSettings
from controller.settings import Settings
from controller.web.tickets import Tickets

SECRET_SESSION, SECRET_PROXY, SECRET_ALERTS = "proxy/session-key", "proxy/secret", "alertmanager/token"
"""Names of secret files."""


def _none() -> str | None:
    return None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """Everything `create_app` takes besides the backend.

    `session_key` signs cookies: replicas that share one accept each other's logins. `proxy_header` is the header in
    which a proxy of `proxies` shows `proxy_secret`; the person then stands in `user_header` and `groups_header`.
    """

    session_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    session_lasts: timedelta = timedelta(hours=4)
    https: bool = False
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    proxy_header: str = ""
    proxy_secret: Callable[[], str | None] = _none
    user_header: str = "x-forwarded-user"
    groups_header: str = "x-forwarded-groups"
    alert_token: Callable[[], str | None] = _none
    alert_token_required: bool = True
    keepalive: timedelta = timedelta(seconds=15)
    live_gap: timedelta = timedelta(seconds=0.5)
    now: Callable[[], datetime] = _now
    tickets: Tickets | None = None


def options_of(settings: Settings) -> Options:
    """The page's options out of the settings; raises BadSettings."""
    shared = settings.secret(SECRET_SESSION)
    if shared is not None and len(shared) < 32:
        message = f"secret {SECRET_SESSION} has {len(shared)} characters"
        raise BadSettings(message, "use at least 32 random ones, for instance `openssl rand -base64 48`")
    return Options(
        session_key=shared.encode() if shared is not None else secrets.token_bytes(32),
        https=settings.public_url.startswith("https://"),
        proxies=tuple(_network(text) for text in settings.trusted_proxies),
        proxy_header=settings.proxy_secret_header.lower(),
        proxy_secret=lambda: settings.secret(SECRET_PROXY),
        alert_token=lambda: settings.secret(SECRET_ALERTS),
        alert_token_required=settings.alertmanager_token_required,
    )


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        message = f"trusted_proxies: {text!r} is no address or network"
        raise BadSettings(message, "write 10.0.0.7 or 10.0.0.0/24") from error
