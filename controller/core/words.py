"""Numbers, times and other people's text as people read them: one voice for chat, page, command line and Markdown.

Promises one line out of whatever comes in: control characters, line breaks and text directions from labels or alerts
never shape what a person reads (S32). HTML is escaped by the templates, Slack's `& < >` by its adapter, Markdown here.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime, timedelta

LONGEST = 300
"""Characters of one foreign text that are shown; the whole stands in the log."""

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~!$])")


def percent(share: float) -> str:
    """A share (0–1) as percent with at most two significant digits, `4.1 %`; near 100 it never rounds up to it."""
    if not math.isfinite(share):
        return "unknown"
    value = 100 * share
    if value == 0:
        return "0 %"
    if 99 <= value < 100:
        return f"{math.floor(value * 10) / 10:g} %"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{float(f'{value:.{digits}f}'):g} %"


def chance(p: float) -> str:
    """A p-value: `0.03`, or `3·10⁻⁹` where the zeros would have to be counted."""
    if not math.isfinite(p):
        return "unknown"
    if p <= 0:
        return "below 10⁻³⁰⁰"
    exponent = math.floor(math.log10(p))
    if exponent >= -3:
        return f"{float(f'{p:.1g}'):g}"
    digit = round(p / 10.0**exponent)
    digit, exponent = (1, exponent + 1) if digit == 10 else (digit, exponent)
    return f"{digit}·10{str(exponent).translate(_SUPERSCRIPT)}"


def amount(value: float, unit: str = "") -> str:
    """A measured number with three digits and its unit: `212/s`, `0.4 cores`, `12 300/s` (with a narrow space)."""
    if not math.isfinite(value):
        return "unknown"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    if abs(value) < 999.5:
        shown = f"{round(value, digits):.{digits}f}"
        shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    else:
        shown = f"{float(f'{value:.3g}'):,.0f}".replace(",", "\u202f")
    if unit.startswith(("1/", "requests/")):
        return f"{shown}/{unit.partition('/')[2]}"
    return f"{shown} {unit}" if unit else shown


def times(e_value: float) -> str:
    """An e-value, never rounded up: `24`, or `3·10⁴` where the zeros would have to be counted."""
    if not math.isfinite(e_value):
        return "unknown"
    if e_value < 10_000:
        return f"{math.floor(e_value)}" if e_value >= 1 else fraction(e_value)
    exponent = math.floor(math.log10(e_value) + 1e-12)
    digit = min(9, math.floor(e_value / 10.0**exponent + 1e-9))
    return f"{digit}·10{str(exponent).translate(_SUPERSCRIPT)}"


def clock(at: datetime) -> str:
    """`14:05` in UTC."""
    return f"{at.astimezone(UTC):%H:%M}"


def when(at: datetime, now: datetime) -> str:
    """`14:05`; on another day than `now` `2 Jan 08:00`. In UTC."""
    at = at.astimezone(UTC)
    day = "" if at.date() == now.astimezone(UTC).date() else f"{at.day} {at:%b} "
    return f"{day}{clock(at)}"


def clock_seconds(at: datetime) -> str:
    """`14:05:03` in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%S}"


def moment(at: datetime) -> str:
    """`2026-11-20 14:05:03 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def lasting(duration: timedelta) -> str:
    """`40 s`, `8 min`, `3 h`, `6 d`: one unit, rounded; negative durations are shown as `0 s`."""
    seconds = max(0.0, duration.total_seconds())
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} d"


def fraction(value: float) -> str:
    """A confidence, two digits, rounded down: what is shown is never more than what is there."""
    return f"{math.floor(value * 100 + 1e-9) / 100:.2f}" if math.isfinite(value) else "never"


def count(number: int, noun: str) -> str:
    """`1 effect`, `2 effects`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short(digest: str) -> str:
    """The start of a plan's digest, as people compare it: `7f3a…`."""
    return f"{digest[:4]}…" if len(digest) > 4 else digest


def clean(text: str, longest: int = LONGEST) -> str:
    """One line of visible text: no control or direction characters, no line breaks, bounded."""
    visible = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    line = " ".join(visible.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def sentence(text: str) -> str:
    """Begins with a capital letter."""
    return text[:1].upper() + text[1:]


def markdown(text: str) -> str:
    """Text that Markdown shows as it stands: nothing in it becomes markup, a link or HTML."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _MARKDOWN.sub(r"\\\1", plain)
    return re.sub(r"(?i)\bwww\.", "www&#46;", plain.replace("://", ":&#47;&#47;"))


def fenced(text: str, language: str = "") -> str:
    """A Markdown code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
