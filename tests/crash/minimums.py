"""The verdict on a floor: every write to its autoscaler, in the order in which the API server stored them.

What counts is what a write changed: the minimum and our annotations (a *move*). The second write of a release only
takes our entries out of `managedFields`; a second apply of the same changes nothing. Double: more moves than intents
that were carried out, or a write with nothing to change and nothing to take out. The rest is as in `verdict.py`.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.controlplane.api import Json
from tests.controlplane.audit import Effect
from tests.crash.ledger import Claim, Row, Writing, leaders, of_kind, writings
from tests.crash.verdict import Verdict, stale, writer

HPAS = "horizontalpodautoscalers"
MARK = "trimtab.dev/floor"
ACTIONS = ("actions:namespace", "actions:cluster")
POD_HOURS = ("pod-hours:namespace", "pod-hours:cluster")


@dataclass(frozen=True)
class Shown:
    """What an autoscaler shows of a floor: the minimum, our annotations, the entries of ours in `managedFields`."""

    least: int
    marks: tuple[tuple[str, str], ...]
    entries: tuple[str, ...]

    @classmethod
    def of(cls, autoscaler: Json) -> "Shown":
        """As it stands there."""
        metadata = autoscaler["metadata"]
        marks = metadata.get("annotations") or {}
        managers = [str(entry.get("manager", "")) for entry in metadata.get("managedFields") or ()]
        return cls(
            int(autoscaler["spec"].get("minReplicas", 1)),
            tuple(sorted((name, text) for name, text in marks.items() if name.startswith(MARK))),
            tuple(name for name in managers if name.startswith("trimtab")),
        )

    @property
    def floor(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        """All but who owns it."""
        return self.least, self.marks


@dataclass(frozen=True)
class Write:
    """One write to the autoscaler, with what it showed before and after."""

    by: str
    before: Shown
    after: Shown

    @property
    def moves(self) -> bool:
        """Whether it changed the minimum or our annotations."""
        return self.before.floor != self.after.floor

    @property
    def vain(self) -> bool:
        """Whether there was nothing to do."""
        return not self.moves and self.before.entries == self.after.entries == ()


def written(effects: Sequence[Effect], fences: Sequence[Effect]) -> Iterator[Write]:
    """Everybody's writes to the autoscaler but the first, which made it."""
    about = [one for one in (*effects, *fences) if (one.gvr.resource, one.subresource) == (HPAS, "")]
    stored = [(one, one.response) for one in about if one.response is not None and one.verb != "delete"]
    before: Shown | None = None
    # A write that changed nothing answers with the version that stood there already.
    for one, autoscaler in sorted(stored, key=lambda pair: (int(pair[1]["metadata"]["resourceVersion"]), pair[0].time)):
        after = Shown.of(dict(autoscaler))
        if before is not None:
            yield Write(writer(one.user), before, after)
        before = after


def judge_floor(
    ours: Collection[str],
    effects: Sequence[Effect],
    fences: Sequence[Effect],
    rows: Sequence[Row],
    claims: Sequence[Claim],
    left: tuple[str, ...] = (),
) -> Verdict:
    """Hold everybody's writes against the intents in the store; `left` is what of ours should not be there any more."""
    found = writings(rows)
    outcomes = tuple(writing.outcome for writing in found)
    applied = outcomes.count("applied")
    mine = [write for write in written(effects, fences) if write.by in ours]
    late = [one for one in (*effects, *fences) if writer(one.user) in ours and stale(one, leaders(rows))]
    moves = sum(write.moves for write in mine)
    return Verdict(
        effects=moves,
        fences=sum(writer(one.user) in ours and isinstance(one.patch, Mapping) for one in fences),
        outcomes=outcomes,
        double_effects=max(0, moves - applied) + sum(write.vain for write in mine),
        lost_intents=outcomes.count("open") + outcomes.count("twice") + max(0, applied - moves),
        stale_writes=len(late),
        leaks=(*charges(rows, found, claims), *left),
        by=tuple(write.by for write in mine if write.moves),
    )


def charges(rows: Sequence[Row], found: Sequence[Writing], claims: Sequence[Claim]) -> tuple[str, ...]:
    """What is wrong with the budgets: taking over costs an action, every raise its pod-hours, a release nothing."""
    due: Counter[tuple[str, str]] = Counter()
    for writing in found:
        if writing.outcome == "applied" and "/release/" not in writing.key:
            scopes = (*ACTIONS, *POD_HOURS) if taking(rows, writing) else POD_HOURS
            due.update((writing.key, scope) for scope in scopes)
    booked = Counter((claim.key, ":".join(claim.scope.split(":")[:2])) for claim in claims)
    return (
        *(f"{scope} is not charged for {key}" for key, scope in (due - booked).elements()),
        *(f"{scope} is charged for {key}" for key, scope in (booked - due).elements()),
    )


def taking(rows: Sequence[Row], writing: Writing) -> bool:
    """Whether the intent took the field from its owner, by the last proposal before it."""
    stream = writing.key.partition("/")[0]
    before = [row for row in of_kind(rows, "floor-proposed") if row.at <= writing.at and stream in row.stream]
    return bool(before and before[-1].body.get("takes"))
