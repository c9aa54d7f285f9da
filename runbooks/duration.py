"""Durations as people write them in runbooks: `30s`, `5m`, `1h30m`, `6d`.

Promises that parse(format(d)) == d for whole seconds, and that nothing but this notation is accepted: a bare number
has no unit.
"""

from __future__ import annotations

import re
from datetime import timedelta

PATTERN = r"^([0-9]{1,4}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$"
MAX_LENGTH = 32
_SHAPE = re.compile(PATTERN)


def parse_duration(text: str) -> timedelta:
    """Read `1h30m`; raises ValueError with the sentence to show."""
    found = _SHAPE.match(text) if text and len(text) <= MAX_LENGTH and "\n" not in text else None
    if found is None:
        raise ValueError(f"{text[:MAX_LENGTH]!r} is not a duration: write it like 30s, 5m or 1h30m")
    days, hours, minutes, seconds = (int(part[:-1]) if part else 0 for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """`1h30m` for 5400 seconds; fractions of a second are rounded, a negative duration keeps its sign."""
    total = round(duration.total_seconds())
    sign, total = ("-", -total) if total < 0 else ("", total)
    units = ((total // 86400, "d"), (total % 86400 // 3600, "h"), (total % 3600 // 60, "m"), (total % 60, "s"))
    return sign + ("".join(f"{count}{unit}" for count, unit in units if count) or "0s")
