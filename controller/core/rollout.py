"""One rollout: a fold of the stream `rollout:<workload>`, and what it gives to the workload's incident as facts.

Promises that going back is no new version to be judged, that a verdict counts only as long as the version it is about
is the one that runs, and that what is not known is missing, never false.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from controller.core.diagnose import template
from controller.core.events import Event, Judged, RolloutBegan, RolloutEnded
from controller.core.events.rollouts import Ending
from controller.core.observe import living, newest_first
from controller.core.words import percent, times
from detectors.results import CannotKnow, Hold, Measured, Promote, RollBack, Verdict
from detectors.series import Workload
from remediations.cluster import Object, World
from remediations.owners import controlled_by, controller_of
from remediations.templates import current_replica_set, version_names
from runbooks.evidence import Value

REGRESSION = "canary.regression"
"""The fact that a rollback may rest on."""
AFTERWARDS = timedelta(hours=24)
"""How long a verdict to roll back counts after the last old pod has gone: as long as the longest window of a budget, so
that what it waits for can come."""

NAMELESS = ("the version before", "the newest version")
"""What two versions are called whose images tell nothing: another configuration, another limit, a restart."""


def stream_of(workload: Workload) -> str:
    """The stream of a workload's rollouts."""
    return f"rollout:{workload.key}"


@dataclass(frozen=True, slots=True)
class Version:
    """One of the two versions: its ReplicaSet, and what people call it."""

    uid: str
    replica_set: str
    name: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """The newest rollout of a workload. `since` is when its first pod could have counted anything."""

    workload: Workload
    since: datetime
    new: Version
    old: Version
    judged: Judged | None = None
    ended: RolloutEnded | None = None

    @property
    def rolled_back(self) -> bool:
        """The verdict stands: it is about all looks there were, so that no later one takes it back."""
        return self.judged is not None and self.judged.verdict == "roll-back"

    @property
    def interrupted(self) -> bool:
        """Nobody wanted it judged any more; the versions may stand beside each other still."""
        return self.ended is not None and self.ended.how == "switched-off"

    def is_of(self, new: str, old: str) -> bool:
        """Whether it is about the versions with these uids."""
        return (self.new.uid, self.old.uid) == (new, old)


def advanced(rollout: Rollout | None, event: Event) -> Rollout | None:
    """The newest rollout after an event of the stream; events of another version change nothing."""
    match event:
        case RolloutBegan() if rollout is not None and continues(rollout, event):
            return replace(rollout, ended=None)
        case RolloutBegan():
            new = Version(event.uid, event.replica_set, event.version_name)
            old = Version(event.old_uid, event.old_replica_set, event.old_version_name)
            return Rollout(event.workload, event.since, new, old)
        case Judged() if rollout is not None and rollout.new.uid == event.uid and not rollout.rolled_back:
            return replace(rollout, judged=event)
        case RolloutEnded() if rollout is not None and rollout.new.uid == event.uid:
            return replace(rollout, ended=event)
        case _:
            return rollout


def continues(rollout: Rollout, began: RolloutBegan) -> bool:
    """Whether what began is the rollout that was interrupted: everything counted since then is one test, verdict
    included, so that a false rollback is no likelier for the pause.
    """
    same = rollout.is_of(began.uid, began.old_uid) and rollout.since == began.since
    return rollout.interrupted and same


def underway(world: World) -> tuple[Version, Version] | None:
    """The new and the old version while both have pods, None otherwise and while an older version comes back."""
    if world.object["kind"] != "Deployment" or len({controller_of(pod) for pod in living(world)}) < 2:
        return None  # as nearly always: nothing is compared for it
    current = current_replica_set(world)
    if current is None or newest_first(world)[0]["metadata"]["uid"] != current["metadata"]["uid"]:
        return None
    if not pods(world, current):
        return None
    others = [one for one in newest_first(world) if one is not current and pods(world, one)]
    if not others:
        return None
    old = max(others, key=lambda one: pods(world, one))
    names = version_names(template(old), template(current))
    before, after = names if names[0] != names[1] else NAMELESS
    return version_of(current, after), version_of(old, before)


def version_of(replica_set: Object, name: str) -> Version:
    """A ReplicaSet as a version."""
    return Version(str(replica_set["metadata"]["uid"]), str(replica_set["metadata"]["name"]), name)


def pods(world: World, replica_set: Object) -> int:
    """How many living pods a ReplicaSet has."""
    return sum(controlled_by(pod, str(replica_set["metadata"]["uid"])) for pod in living(world))


def runs(rollout: Rollout, world: World) -> bool:
    """Whether the version that was judged is (still, or again) the one that is wanted."""
    current = current_replica_set(world) if world.object["kind"] == "Deployment" else None
    return current is not None and str(current["metadata"]["uid"]) == rollout.new.uid


def ending(rollout: Rollout, world: World | None) -> Ending | None:
    """How a rollout has come to its end; None while it has not, or while that cannot be said.

    A version without a pod for a moment is not gone as long as its ReplicaSet wants any.
    """
    if world is None:
        return "gone"
    current = current_replica_set(world)
    if current is None:
        return None  # the ReplicaSet of the present template is still to come
    match str(current["metadata"]["uid"]):
        case rollout.new.uid:
            stay = any(there(world, one) for one in world.replica_sets if one is not current)
            return None if stay else "completed"
        case rollout.old.uid:
            return "gone-back"
        case _:
            return "replaced"


def there(world: World, replica_set: Object) -> bool:
    """Whether a version has pods, or is about to have them again."""
    return bool(pods(world, replica_set) or replica_set["spec"].get("replicas"))


def facts(rollout: Rollout | None, world: World, now: datetime) -> Iterator[tuple[str, Value]]:
    """What runbooks may ask about the newest rollout: only while its version runs, and not for ever afterwards."""
    if rollout is None or rollout.judged is None or not runs(rollout, world):
        return
    judged = rollout.judged
    if judged.verdict == "cannot-know" or (rollout.ended is not None and not outlives(rollout, rollout.ended, now)):
        return
    yield REGRESSION, rollout.rolled_back
    yield "canary.version", rollout.new.name
    yield "canary.baseline", rollout.old.name
    if judged.new is not None and judged.old is not None and judged.new.requests and judged.old.requests:
        yield "canary.errors", judged.new.share
        yield "canary.baselineErrors", judged.old.share
    yield "canary.eValue", judged.e_value


def outlives(rollout: Rollout, ended: RolloutEnded, now: datetime) -> bool:
    """Whether the verdict counts after the end: only that to roll back, where the bad version is all that is left. What
    was gone back from and comes again is judged again.
    """
    return rollout.rolled_back and ended.how == "completed" and now - ended.at < AFTERWARDS


def told(workload: Workload, rollout: Rollout, verdict: Verdict, now: datetime) -> Judged:
    """A verdict as an event, with its sentence for people."""
    text = sentence(rollout, verdict)
    match verdict:
        case CannotKnow(reason):
            return Judged(now, workload, rollout.new.uid, rollout.new.name, "cannot-know", text, code=reason.value)
        case Promote(measured):
            return _judged(now, workload, rollout, "promote", text, measured)
        case Hold(measured, progress):
            return replace(_judged(now, workload, rollout, "hold", text, measured), progress=progress)
        case RollBack(measured):
            return _judged(now, workload, rollout, "roll-back", text, measured)
        case _:
            assert_never(verdict)


def _judged(now: datetime, workload: Workload, rollout: Rollout, kind: str, text: str, measured: Measured) -> Judged:
    return Judged(
        now,
        workload,
        rollout.new.uid,
        rollout.new.name,
        kind,  # type: ignore[arg-type]  # one of the kinds, chosen above
        text,
        new=measured.canary,
        old=measured.baseline,
        e_value=measured.e_value,
        dispersion=measured.dispersion,
        progress=1.0,
    )


def sentence(rollout: Rollout, verdict: Verdict) -> str:
    """A verdict in words: `v42 fails 4.1 % of its requests, v41 0.2 % (e-value 3·10⁴)`."""
    match verdict:
        case CannotKnow(_, detail, needed):
            return f"{detail}; needed: {needed}"
        case Promote(measured):
            return f"{compared(rollout, measured)}: not worse by anything that matters"
        case Hold(measured, progress):
            return f"{compared(rollout, measured)}: undecided, {100 * progress:.0f} %"
        case RollBack(measured):
            return f"{compared(rollout, measured)} (e-value {times(measured.e_value)})"
        case _:
            assert_never(verdict)


def compared(rollout: Rollout, measured: Measured) -> str:
    """Both shares."""
    new, old = percent(measured.canary.share), percent(measured.baseline.share)
    return f"{rollout.new.name} fails {new} of its requests, {rollout.old.name} {old}"


def column(rollout: Rollout, verdict: Verdict) -> str:
    """A verdict in the column of a policy: `v42 Hold 61%`."""
    match verdict:
        case CannotKnow():
            return f"{rollout.new.name} CannotKnow"
        case Promote():
            return f"{rollout.new.name} Promote"
        case Hold(_, progress):
            return f"{rollout.new.name} Hold {100 * progress:.0f}%"
        case RollBack():
            return f"{rollout.new.name} RollBack"
        case _:
            assert_never(verdict)
