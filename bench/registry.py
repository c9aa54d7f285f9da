"""Which benchmarks there are: one module each, named here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bench.card import Bench
from bench.lab.bench import LAB
from bench.scale.bench import SCALE

BENCHES: Final[Mapping[str, Bench]] = {bench.name: bench for bench in (SCALE, LAB)}
