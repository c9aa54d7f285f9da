"""The verdict on one run: the audit log says what was done, the store what was meant.

Double: an effect more than intents that were carried out. Lost: an intent never settled or settled twice, one that is
called applied without an effect, or an effect without one. Stale: an effect by a replica after another has begun to
lead. Leaked: a reservation that should be gone, or that is missing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.controlplane.audit import Effect
from tests.crash.ledger import Claim, Row, leaders, of_kind, writings

LIMIT = 3
"""Actions an hour in one namespace, by default."""


@dataclass(frozen=True)
class Verdict:
    """What was found; `spotless` when nothing speaks against it."""

    effects: int
    fences: int
    outcomes: tuple[str, ...]
    double_effects: int = 0
    lost_intents: int = 0
    stale_writes: int = 0
    leaks: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    by: tuple[str, ...] = field(default=())

    @property
    def spotless(self) -> bool:
        """Nothing twice, nothing lost, nothing late, nothing leaked, the log unbroken."""
        return not (self.double_effects or self.lost_intents or self.stale_writes or self.leaks or self.chain)


def judge(effects: Sequence[Effect], fences: Sequence[Effect], rows: Sequence[Row], claims: Sequence[Claim]) -> Verdict:
    """Hold the effects in the cluster against the intents in the store."""
    found = writings(rows)
    outcomes = tuple(writing.outcome for writing in found)
    applied = outcomes.count("applied")
    return Verdict(
        effects=len(effects),
        fences=len(fences),
        outcomes=outcomes,
        double_effects=max(0, len(effects) - applied),
        lost_intents=outcomes.count("open") + outcomes.count("twice") + max(0, applied - len(effects)),
        stale_writes=sum(stale(effect, leaders(rows)) for effect in effects),
        leaks=leaks(rows, claims),
        by=tuple(effect.user for effect in effects),
    )


def stale(effect: Effect, led: Sequence[tuple[datetime, str]]) -> bool:
    """Whether somebody else led when this was written."""
    before = [who for at, who in led if at <= effect.time]
    return bool(before) and before[-1] != writer(effect.user)


def writer(user: str) -> str:
    """The replica behind a user: a person's name, or the last word of a ServiceAccount's."""
    return user.rpartition(":")[2]


def leaks(rows: Sequence[Row], claims: Sequence[Claim]) -> tuple[str, ...]:
    """What is wrong with the budgets."""
    keys = {writing.key for writing in writings(rows) if writing.outcome == "applied" and "/undo" not in writing.key}
    judged = {str(row.body["digest"]) for row in of_kind(rows, "verified")}
    told: list[str] = []
    for claim in claims:
        if claim.scope.startswith("open:"):
            acting = {key for key in keys if key.startswith(claim.key.partition("/")[0])}
            if all(key.split("/")[1] in judged for key in acting):
                told.append(f"{claim.scope} is still held by {claim.key}")
        elif claim.key not in keys:
            told.append(f"{claim.scope} is charged for {claim.key}, which was not done")
    charged = Counter(claim.scope.rpartition(":")[0] for claim in claims if claim.key in keys)
    if any(count != len(keys) for count in charged.values()) or (keys and not charged):
        told.append(f"{len(keys)} actions, charged {dict(charged)}")
    if any(count > LIMIT for count in charged.values()):
        told.append(f"budget exceeded: {dict(charged)}")
    return tuple(told)
