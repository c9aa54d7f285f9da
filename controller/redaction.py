"""Secrets never leave: what every log line and every line of the command line passes through (S35).

Promises that the content of each secret file, as it is now, is replaced wherever it would be shown, and that what
looks like a secret (a bearer token, a JSON web token, a Slack token, a password inside an address, a private key) is
replaced even when no file holds it. Texts shorter than `SHORTEST` are left: replacing them would hide half of every
sentence and protect nothing.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "[redacted]"
SHORTEST = 6
LARGEST_FILE = 65_536
KEPT_FOR = 2.0
"""Seconds for which the files are not looked at again."""

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}"), HIDDEN),
    (re.compile(r"\bxox[a-z]-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}"), HIDDEN),
    (re.compile(r"(://[^\s:/@]*:)[^\s@/]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)\b(password|passwd|pwd)=[^\s&;'\"]+"), rf"\1={HIDDEN}"),
)
_NAMES = re.compile(r"(?i)(^|[_-])(authorization|password|passwd|secret|token|api[_-]?key|private[_-]?key)$")


class Redaction:
    """Replaces secrets in text. `values` gives the exact ones, asked anew at each use."""

    def __init__(self, values: Callable[[], Iterable[str]] = tuple) -> None:
        self._values = values

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for value in self._values():
            if value in text:
                text = text.replace(value, HIDDEN)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text

    def of(self, value: Any) -> Any:
        """A value of a log event without secrets, whatever is inside; what is neither text nor container is left."""
        match value:
            case str():
                return self(value)
            case bytes():
                return self(value.decode(errors="replace"))
            case Mapping():
                return {key: self._named(str(key), item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.of(item) for item in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self(str(value))

    def _named(self, name: str, value: Any) -> Any:
        return HIDDEN if value and _NAMES.search(name) and isinstance(value, str | bytes) else self.of(value)


class SecretFiles:
    """The content of every file in a folder, and texts known besides, longest first; read again when a file changes."""

    def __init__(
        self, folder: Path, besides: Iterable[str] = (), monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._monotonic = folder, monotonic
        self._besides = tuple(text for given in besides for text in _parts(given))
        self._looked_at = float("-inf")
        self._known: tuple[str, ...] = ()

    def __call__(self) -> tuple[str, ...]:
        """Every text to hide now."""
        if self._monotonic() - self._looked_at >= KEPT_FOR:
            self._looked_at = self._monotonic()
            found = {text for content in _contents(self._folder) for text in _parts(content)}
            self._known = tuple(sorted({*found, *self._besides}, key=lambda text: (-len(text), text)))
        return self._known


def _contents(folder: Path) -> Iterator[str]:
    """Texts of the readable files below a folder; certificates are public."""
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = Path(place) / name
            if path.suffix in {".crt", ".pem"} and path.stem in {"ca", "tls"}:
                continue
            try:
                if path.stat().st_size <= LARGEST_FILE:
                    yield path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue


def _parts(content: str) -> Iterator[str]:
    """A secret as it may turn up: whole, line by line, and the password of an address in both spellings."""
    whole = content.strip()
    texts = {whole, *(line.strip() for line in whole.splitlines() if len(line.strip()) >= 16)}
    if "://" in whole and "\n" not in whole:
        try:
            password = urlsplit(whole).password or ""
        except ValueError:
            password = ""
        texts |= {password, unquote(password), quote(unquote(password), safe="")}
    yield from (text for text in texts if len(text) >= SHORTEST)
