"""Kubernetes quantities (`512Mi`, `1.5G`, `1e3`), exactly: no floats, no rounding but the one asked for.

Grammar and canonical form: k8s.io/apimachinery, package api/resource.
"""

from __future__ import annotations

import re
from fractions import Fraction

_BINARY = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4, "Pi": 1024**5, "Ei": 1024**6}
_DECIMAL = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
}
_SUFFIXES = _DECIMAL | {suffix: Fraction(size) for suffix, size in _BINARY.items()}
_FORM = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,2})|([KMGTPE]i|[numkMGTPE]?))")
_LONGEST = 64

MI = _BINARY["Mi"]


class BadQuantity(ValueError):
    """Not a quantity of Kubernetes."""


def parse(text: str | int) -> Fraction:
    """The exact value; raises `BadQuantity`. Plain integers come as such out of YAML."""
    if isinstance(text, int) and not isinstance(text, bool):
        return Fraction(text)
    match = _FORM.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if match is None:
        raise BadQuantity(f"{text!r} is no quantity: write bytes as 512Mi, 1.5Gi or 500M")
    number, exponent, suffix = match.groups()
    scale = Fraction(10) ** int(exponent) if exponent else _SUFFIXES[suffix or ""]
    return Fraction(number) * scale


def bytes_of(text: str | int) -> int:
    """Whole bytes, rounded up as Kubernetes does."""
    value = parse(text)
    return -(-value.numerator // value.denominator)


def binary(size: int) -> str:
    """The canonical text of whole bytes in powers of 1024: the largest unit that leaves no fraction."""
    for suffix in reversed(_BINARY):
        if size and size % _BINARY[suffix] == 0:
            return f"{size // _BINARY[suffix]}{suffix}"
    return str(size)


def down_to_mebibytes(value: Fraction) -> int:
    """Bytes rounded down to whole MiB."""
    return value // MI * MI


def up_to_mebibytes(value: Fraction) -> int:
    """Bytes rounded up to whole MiB."""
    return -(-value // MI) * MI
