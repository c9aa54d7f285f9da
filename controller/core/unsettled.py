"""A write that cannot be brought to its end: when a person is told, and what.

Promises that it is told once for each write, with what may stand half done, why it goes no further, and what to do
(S13, S33). Until it is settled nothing else is written to the workload.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.core.incident import Intent
from controller.core.words import clock

CODE = "unsettled"
LONG = timedelta(minutes=5)
"""How long a write may stay open before a person is told, whatever keeps it."""


def due(intent: Intent, now: datetime, *, for_good: bool) -> bool:
    """Whether it is time to tell: at once when it will not change by itself."""
    return for_good or now - intent.since >= LONG


def reasons(intent: Intent, why: str) -> tuple[str, ...]:
    """What whoever is paged reads first."""
    what = "taking the change back" if intent.undo else "the change"
    stands = f"{what} may be in force or not: nobody heard" if intent.claimed else f"{what} was not sent"
    return (
        f"a write begun at {clock(intent.since)} UTC is not settled: {why}",
        stands,
        "it is settled as soon as the workload can be read and written again; nothing else is done to it before",
    )
