"""`python -m bench [NAME]`: run one benchmark, or all of them, and print the score card.

Exit code 0: measured, whatever the figures are; 2: asked wrongly; 3: passed over, because the benchmark needs data that
nobody named. Without NAME one that is passed over does not hide the others: 3 only if nothing was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.card import Asked, Bench, Card, PassedOver
from bench.registry import BENCHES
from bench.show import table

MEASURED, USAGE, PASSED_OVER = 0, 2, 3
DATA = "TRIMTAB_BENCH_DATA"


def main(arguments: Sequence[str], benches: Mapping[str, Bench] = BENCHES) -> int:
    """Run what `arguments` name; the exit code. Wrong arguments end with SystemExit(2), as argparse does."""
    chosen = _parser(benches).parse_args(arguments)
    if chosen.name is not None and chosen.name not in benches:
        print(f"There is no benchmark named {chosen.name}; there are: {', '.join(sorted(benches))}.", file=sys.stderr)
        return USAGE
    if chosen.json is not None and not chosen.json.parent.is_dir():
        print(f"{chosen.json} cannot be written: there is no folder {chosen.json.parent}.", file=sys.stderr)
        return USAGE
    named = chosen.data or os.environ.get(DATA)
    asked = Asked(chosen.quick, chosen.seed, Path(named) if named else None, chosen.generator)
    cards = [card for bench in _those(chosen.name, benches) if (card := measured(bench, asked)) is not None]
    if not cards:
        return PASSED_OVER
    if chosen.json is not None:
        answer = cards[0].as_json() if chosen.name else [card.as_json() for card in cards]
        chosen.json.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    return MEASURED


def measured(bench: Bench, asked: Asked) -> Card | None:
    """One benchmark, its table printed; None when it was passed over, which is said."""
    try:
        card = bench.run(asked, lambda text: print(f"… {text}", file=sys.stderr, flush=True))
    except PassedOver as reason:
        print(f"{bench.name}: passed over, {reason}", file=sys.stderr)
        return None
    print(table(card), flush=True)
    return card


def _those(name: str | None, benches: Mapping[str, Bench]) -> tuple[Bench, ...]:
    return (benches[name],) if name is not None else tuple(benches.values())


def _parser(benches: Mapping[str, Bench]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Print the score card of trimtab. " + " ".join(f"{b.name}: {b.about}" for b in benches.values()),
    )
    parser.add_argument("name", nargs="?", help="one benchmark; all of them without it", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="end within 50 seconds on two cores")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what all randomness is made from")
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"folder of the data; ${DATA} when absent")
    parser.add_argument("--generator", type=Path, metavar="PATH", help="another generator of synthetic input")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
