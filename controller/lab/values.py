"""How a scenario writes durations, sizes, cores, shares and counts: `30s`, `1.5h`, `256Mi`, `500m`, `5%`, `2`."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Annotated, Final, TypeAlias, TypeVar

from pydantic import BeforeValidator

from remediations.quantity import BadQuantity, bytes_of, parse
from remediations.rollouts import BadIntOrPercent, scaled

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
Number = TypeVar("Number", int, Fraction)


def seconds(text: object) -> float:
    """`1h30m` in seconds; raises ValueError."""
    if not isinstance(text, str) or len(text) > 64 or not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no duration: write 500ms, 30s, 5m, 1h30m or 7d")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def some_seconds(text: object) -> float:
    """A duration of more than nothing; raises ValueError."""
    value = seconds(text)
    if value <= 0:
        raise ValueError(f"{text!r} is nothing: it must last for a while")
    return value


def size(text: object) -> int:
    """`256Mi` in bytes; raises ValueError."""
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise BadQuantity(f"{text!r} is no size: write 256Mi or 1.5Gi")
    return _not_negative(bytes_of(text))


def cores(text: object) -> float:
    """`500m` or `2` in cores; raises ValueError."""
    if isinstance(text, float) and 0 <= text < math.inf:
        return text
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise BadQuantity(f"{text!r} is no number of cores: write 500m or 2")
    return float(_not_negative(parse(text)))


def share(text: object) -> float:
    """`5%` or 0.05 as a fraction; raises ValueError."""
    if isinstance(text, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?%", text):
        value = float(text[:-1]) / 100
    elif isinstance(text, int | float) and not isinstance(text, bool):
        value = float(text)
    else:
        raise ValueError(f"{text!r} is no share: write 5% or 0.05")
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{text!r} is no share: it lies between 0 and 100%")
    return value


def count_or_percent(text: object) -> int | str:
    """`2` or `25%`, as it is written; raises ValueError."""
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise BadIntOrPercent(f"{text!r} is neither a number nor a percentage")
    _not_negative(scaled(text, 1, round_up=True))
    return text


def _not_negative(value: Number) -> Number:
    if value < 0:
        raise BadQuantity("it must not be negative")
    return value


Seconds: TypeAlias = Annotated[float, BeforeValidator(seconds)]
Lasting: TypeAlias = Annotated[float, BeforeValidator(some_seconds)]
Bytes: TypeAlias = Annotated[int, BeforeValidator(size)]
Cores: TypeAlias = Annotated[float, BeforeValidator(cores)]
Share: TypeAlias = Annotated[float, BeforeValidator(share)]
CountOrPercent: TypeAlias = Annotated[int | str, BeforeValidator(count_or_percent)]
