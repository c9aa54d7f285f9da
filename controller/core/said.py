"""What is said of a floor: the condition `FloorHeld` in constant words, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.events import Decided
from controller.core.floor import Floor
from controller.core.manners import GiveBack, Move


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be said of one workload's floor: the condition `FloorHeld`, and what is or would be held."""

    holds: bool
    reason: str
    message: str
    replicas: int | None = None
    would: int | None = None


def moved(floor: Floor, todo: Move) -> Said:
    """What became of a number."""
    holds = floor.held is not None
    if floor.intent is not None:
        return Said(holds, "Writing", f"{todo.replicas} is being written", number(floor))
    if floor.ended is not None:
        return Said(False, floor.ended.code, f"taken back by {floor.ended.by}")
    decision = floor.decision
    if holds and decision is None:
        return Said(True, "Held", f"{number(floor)} held", number(floor))
    if decision is None:
        return Said(holds, "NotApplied", f"{todo.replicas} could not be written", number(floor))
    return Said(
        holds, "Held" if holds else reason_of(decision), f"{todo.replicas} waits: {why(decision)}", number(floor)
    )


def given_back(floor: Floor, todo: GiveBack) -> Said:
    """What became of a release."""
    if floor.held is not None or floor.intent is not None:
        return Said(floor.held is not None, "Releasing", f"to be given back: {todo.reason}", number(floor))
    if floor.ended is not None:
        return Said(False, floor.ended.code, f"taken back by {floor.ended.by}: left alone until the policy changes")
    return Said(False, "Released", todo.reason)


REASONS = {
    "budget": "BudgetSpent",
    "unread-budget": "BudgetSpent",
    "paused": "Paused",
    "frozen": "Frozen",
    "not-permitted": "NotPermitted",
    "data-unhealthy": "DataUnhealthy",
    "observer-suspect": "ObserverSuspect",
    "store-not-adopted": "StoreNotAdopted",
    "managed-in-git": "ManagedInGit",
    "ignored": "Ignored",
    "protected": "Protected",
    "observe": "Observe",
}
"""The gate's codes as words for the condition; another one is `Blocked`."""


def deciding(decision: Decided) -> tuple[str, str]:
    """Code and message of the first reason that demands this route."""
    found = next((reason for reason in decision.reasons if reason.route is decision.route), None)
    return (found.code, found.message) if found is not None else ("", "")


def reason_of(decision: Decided) -> str:
    """The condition's reason for a decision against acting."""
    return REASONS.get(deciding(decision)[0], "Blocked")


def why(decision: Decided) -> str:
    """Every reason that demands the route, in words."""
    return "; ".join(reason.message for reason in decision.reasons if reason.route is decision.route)


def number(floor: Floor) -> int | None:
    """What is held, None when nothing is."""
    return floor.held.replicas if floor.held is not None else None
