"""A card as a table for people, in plain text: it is pasted into issues and read in logs."""

from __future__ import annotations

from collections.abc import Iterator

from bench.card import Card, Figure


def table(card: Card) -> str:
    """Every figure with what it should be, then the notes."""
    return "\n".join((*_lines(card), *(f"  {note}" for note in card.notes)))


def _lines(card: Card) -> Iterator[str]:
    yield f"{card.bench} (seed {card.seed}{', data ' + card.data if card.data else ''})"
    names = max((len(name) for name in card.figures), default=0)
    for name, figure in card.figures.items():
        unit = f" {figure.unit}" if figure.unit else ""
        yield f"  {name:<{names}}  {number(figure.value):>12}{unit:<4}{wanted(figure)}".rstrip()


def number(value: float) -> str:
    """Four significant digits, thousands in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def wanted(figure: Figure) -> str:
    """What the figure should be, and whether it is; empty where nothing was asked."""
    bounds = ((figure.at_least, "≥"), (figure.at_most, "≤"))
    said = ", ".join(f"{sign} {number(bound)}" for bound, sign in bounds if bound is not None)
    return f"  {said}  {'met' if figure.met else 'MISSED'}" if said else ""
