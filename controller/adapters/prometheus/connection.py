"""Where the server is, how to log in, and what an answer may cost. Plain values; files are read when they are used.

Promises that an impossible combination is refused when it is made, with the remedy, and that no secret is in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from controller.core.reading import Trust
from controller.errors import BadSettings

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Connection:
    """One server.

    `url` may carry a path prefix (`https://mimir/prometheus`). Bearer token, basic password and client certificate
    are files, read anew for each request (certificates for each connection). `tenant` is sent as `X-Scope-OrgID`.
    `pulse` selects the series that show whether the server scrapes (see `core.reading`); behind Thanos or Mimir with
    many shards, name one that you rely on, for example `up{job="kube-state-metrics"}`. `deadline` bounds one call of
    the port, all of its chunks included.
    """

    url: str
    bearer_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    tenant: str | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    trust: Trust = field(default_factory=Trust)
    pulse: str = "up"
    connect_timeout: timedelta = timedelta(seconds=3)
    read_timeout: timedelta = timedelta(seconds=10)
    deadline: timedelta = timedelta(seconds=20)
    most_bytes: int = 64 * MEGABYTE
    threads: int = 4

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadSettings(
                "prometheus_url is not an http(s) address", "set it to something like http://prometheus:9090"
            )
        if parts.username or parts.password:
            raise BadSettings(
                "prometheus_url carries a password", "put it in a file and name username and password file"
            )
        if parts.query or parts.fragment:
            raise BadSettings(
                "prometheus_url carries a query or fragment", "keep scheme, host, port and path prefix only"
            )
        if self.bearer_file and self.username is not None:
            raise BadSettings("prometheus has both a bearer token and a basic login", "keep one of them")
        if (self.username is None) != (self.password_file is None):
            raise BadSettings("a basic login needs username and password file", "set both or none")
        if self.key_file and not self.certificate_file:
            raise BadSettings("prometheus has a client key without its certificate", "set the certificate file too")
        if self.trust.look_back < 2 * self.trust.scrape_interval:
            raise BadSettings(
                "the look-back is shorter than two scrapes", "set it to the longest rate window, 5m or more"
            )
        if self.tenant is not None and (not self.tenant.isprintable() or not self.tenant.isascii() or not self.tenant):
            raise BadSettings("prometheus_tenant is not a header value", "use printable ASCII")

    @property
    def base(self) -> str:
        """The address without a trailing slash."""
        return self.url.rstrip("/")

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc
