"""Real traces: `timestamp,value` rows, plain or gzipped, as load per second.

Promises that a trace that cannot be read says which line and why. Rows that are absent are missing samples; between
samples the load runs in a straight line. Beyond its end a trace begins anew after whole weeks (or days, when it is
shorter), so that weekday and time of day stay.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np

from controller.lab.latency import Floats

_DAY, _WEEK = 86400.0, 604800.0
_LARGEST = 64 * 1024**2


class UnreadableTrace(ValueError):
    """A trace that is not there, or is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Samples at epoch seconds, and how far they lie apart mostly."""

    times: Floats
    values: Floats
    step: float

    @property
    def period(self) -> float:
        """After how long it begins anew: whole weeks, else whole days, else its length."""
        length = float(self.times[-1] - self.times[0]) + self.step
        for unit in (_WEEK, _DAY):
            if length >= unit:
                return length // unit * unit
        return length

    def smoothed(self, seconds: float) -> Trace:
        """The centred moving mean over that long."""
        width = round(seconds / self.step)
        if width <= 1:
            return self
        sums = np.concatenate(([0.0], np.cumsum(self.values)))
        places = np.arange(len(self.values))
        low, high = np.maximum(0, places - width // 2), np.minimum(len(self.values), places + width - width // 2)
        return Trace(self.times, (sums[high] - sums[low]) / (high - low), self.step)

    def at(self, times: Floats) -> Floats:
        """The value at any times, epoch seconds."""
        start = self.times[0]
        return np.asarray(np.interp(start + np.mod(times - start, self.period), self.times, self.values))


def read_trace(name: str, folder: Path | None) -> Trace:
    """From beside the scenario, else a shipped one; raises `UnreadableTrace`."""
    try:
        raw = _raw(name, folder)
    except OSError as error:
        raise UnreadableTrace(f"trace {name} cannot be read: {error.strerror or error}") from error
    if name.endswith(".gz"):
        try:
            with gzip.open(BytesIO(raw)) as packed:
                raw = packed.read(_LARGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableTrace(f"trace {name} is not gzip: {error}") from error
    if len(raw) > _LARGEST:
        raise UnreadableTrace(f"trace {name} is larger than {_LARGEST // 1024**2} MiB")
    try:
        return parsed(raw.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        raise UnreadableTrace(f"trace {name} is not text: {error}") from error


def _raw(name: str, folder: Path | None) -> bytes:
    beside = None if folder is None else folder / name
    if beside is not None and beside.is_file():
        return beside.read_bytes()
    shipped = files("controller.lab") / "traces" / name
    if "/" in name or not shipped.is_file():
        raise UnreadableTrace(f"there is no trace {name}, neither beside the scenario nor among those that ship")
    return shipped.read_bytes()


def parsed(text: str, name: str) -> Trace:
    """Rows after the header `timestamp,value`; raises `UnreadableTrace` with the line."""
    lines = text.splitlines()
    if not lines or lines[0].strip().lower() != "timestamp,value":
        raise UnreadableTrace(f"trace {name}, line 1: begins with `timestamp,value`, not with {lines[:1]}")
    times, values = [], []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        when, comma, amount = line.partition(",")
        try:
            at = datetime.fromisoformat(when.strip())
            times.append((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
            values.append(float(amount))
        except ValueError as error:
            raise UnreadableTrace(f"trace {name}, line {number}: {line[:60]!r} is no timestamp and value") from error
        if not comma or not np.isfinite(values[-1]) or values[-1] < 0:
            raise UnreadableTrace(f"trace {name}, line {number}: {line[:60]!r} is no load")
        if len(times) > 1 and times[-1] <= times[-2]:
            raise UnreadableTrace(f"trace {name}, line {number}: its time is not after that of the line before")
    if len(times) < 2:
        raise UnreadableTrace(f"trace {name} holds {len(times)} samples; two are the least")
    return Trace(np.array(times), np.array(values), float(np.median(np.diff(times))))
