"""What a benchmark is asked and what it answers: flat figures by name, and notes that say what they rest on.

Promises that a figure is a finite number or is not there, and that a benchmark without its data says so by `PassedOver`
and never by an empty success.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

Say: TypeAlias = Callable[[str], None]
"""Tells the person who waits what is being done."""


class PassedOver(Exception):
    """The benchmark cannot be run here; the message says what is missing and where to name it."""


class BadFigure(ValueError):
    """A benchmark measured something that is no number: that is a fault of the benchmark."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One run: how long it may take, its seed, the folder of its data and another generator, where one is wanted."""

    quick: bool = False
    seed: int = 0
    data: Path | None = None
    generator: Path | None = None

    def folder(self, bench: str) -> Path:
        """The data of a benchmark that needs some; raises PassedOver where nobody named a folder that is there."""
        if self.data is None:
            raise PassedOver(f"{bench} needs data: name its folder with --data or TRIMTAB_BENCH_DATA")
        if not self.data.is_dir():
            raise PassedOver(f"{bench} needs data: {self.data} is no folder")
        return self.data


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: its unit, and where there is one, what it should be at most (`at_most`) or at least."""

    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it is what it should be; None where nothing was asked of it."""
        if self.at_most is None and self.at_least is None:
            return None
        low, high = self.at_least, self.at_most
        return (high is None or self.value <= high) and (low is None or self.value >= low)


@dataclass(frozen=True, slots=True)
class Card:
    """The answer of one benchmark. `notes` are sentences: what was stood in, on what machine, over how long."""

    bench: str
    seed: int
    figures: Mapping[str, Figure]
    data: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, figure in self.figures.items():
            if not math.isfinite(figure.value):
                message = f"{self.bench}: {name} is {figure.value}"
                raise BadFigure(message)

    def as_json(self) -> dict[str, Any]:
        """The object for programs: `{"bench", "data", "seed", "figures": {flat: number}}`."""
        return {
            "bench": self.bench,
            "data": self.data,
            "seed": self.seed,
            "figures": {name: figure.value for name, figure in self.figures.items()},
        }


class Bench(Protocol):
    """One benchmark: a name, a sentence for people, and the measurement."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        ...

    @property
    def about(self) -> str:
        """What it measures, in a sentence."""
        ...

    def run(self, asked: Asked, say: Say) -> Card:
        """Measure. Raises PassedOver where it cannot be done here."""
        ...
