"""Did it help? A runbook's `verify.all` on fresh evidence.

Promises that missing samples are never success: a condition that cannot be told is Unknown, and only all of them
holding is Held. How long it has held, and how long is left, is for the caller, who has the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from runbooks import expression
from runbooks.evidence import Evidence
from runbooks.expression import Broken, Fails, Holds, Known, Unknown
from runbooks.schema import Runbook


@dataclass(frozen=True, slots=True)
class Held:
    """Every condition holds; the facts they rest on."""

    facts: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class NotYet:
    """These conditions do not hold; the facts they rest on."""

    conditions: tuple[str, ...]
    facts: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class CannotTell:
    """None is known to fail, but some cannot be told: facts are missing, or an evaluation went wrong."""

    missing: tuple[str, ...]
    errors: tuple[str, ...] = ()


Verification: TypeAlias = Held | NotYet | CannotTell


def verify(runbook: Runbook, evidence: Evidence) -> Verification:
    """Evaluate every condition; a known failure outranks what cannot be told."""
    truths = {condition: expression.evaluate(condition, evidence) for condition in runbook.spec.verify.all}
    failing = tuple(condition for condition, truth in truths.items() if isinstance(truth, Fails))
    if failing:
        return NotYet(failing, _known(failing, evidence))
    if all(isinstance(truth, Holds) for truth in truths.values()):
        return Held(_known(tuple(truths), evidence))
    missing = (name for truth in truths.values() if isinstance(truth, Unknown) for name in truth.missing)
    errors = tuple(truth.message for truth in truths.values() if isinstance(truth, Broken))
    return CannotTell(tuple(dict.fromkeys(missing)), errors)


def _known(conditions: tuple[str, ...], evidence: Evidence) -> tuple[Known, ...]:
    return tuple(dict.fromkeys(fact for text in conditions for fact in expression.known(text, evidence)))
