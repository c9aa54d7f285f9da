"""Why it broke: a plain, transparent ranking of causes by rules.

The scores are *rule-based priors*: weights that experienced people would give, normalised to one. They are not
calibrated and not learned; the confidence in acting comes from verified history (`confidence.py`), for which the
score of a cause is one input. Each cause says in words what spoke for it. Names are those that runbooks write under
`cause`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from controller.core.events import Cause
from controller.core.observe import living, newest_first
from controller.core.symptoms import number, percent
from remediations.cluster import Object, World
from remediations.pods import failing
from remediations.templates import version_names
from runbooks.evidence import Evidence

BAD_ROLLOUT: Final = "bad rollout"
IMAGE: Final = "image cannot be pulled"
NEVER_READY: Final = "new version never becomes ready"
MEMORY: Final = "memory limit too low"
BAD_STATE: Final = "process in a bad state"
DEPENDENCY: Final = "dependency"
NODE: Final = "node"
UNKNOWN: Final = "unknown"

PRIORS: Final = {
    BAD_ROLLOUT: 1.0,
    IMAGE: 0.01,
    NEVER_READY: 0.1,
    MEMORY: 0.3,
    BAD_STATE: 0.3,
    DEPENDENCY: 1.0,
    NODE: 0.2,
    UNKNOWN: 0.5,
}
"""Weights before anything is known:

changes and dependencies break most services, an image that cannot be pulled shows itself.
"""


ALIKE: Final = 0.8
"""When nearly all failures take this share of the pods, no pod is worse than another."""


@dataclass(frozen=True, slots=True)
class Clue:
    """A fact that multiplies the weight of a cause; the reason is told when it speaks for the cause."""

    cause: str
    factor: float
    reason: str


def diagnose(evidence: Evidence, world: World) -> tuple[Cause, ...]:
    """All causes, likeliest first; scores add up to one."""
    weights, reasons = dict(PRIORS), dict.fromkeys(PRIORS, "")
    strongest = dict.fromkeys(PRIORS, 1.0)
    for clue in clues(evidence, world):
        weights[clue.cause] *= clue.factor
        if clue.factor > strongest[clue.cause]:
            strongest[clue.cause], reasons[clue.cause] = clue.factor, clue.reason
    total = sum(weights.values())
    causes = (Cause(name, round(weight / total, 4), reasons[name]) for name, weight in weights.items())
    return tuple(sorted(causes, key=lambda cause: (-cause.score, cause.name)))


def clues(evidence: Evidence, world: World) -> Iterator[Clue]:
    """Every rule that has something to say."""
    yield from about_rollout(evidence, world)
    yield from about_symptoms(evidence)
    yield from about_pods(evidence)
    yield from about_nodes(world)


def about_rollout(evidence: Evidence, world: World) -> Iterator[Clue]:
    """Whether a change explains it."""
    match evidence.get("changes.rollout.recent"):
        case False:
            yield Clue(BAD_ROLLOUT, 0.02, "")
            yield Clue(NEVER_READY, 0.2, "")
            yield Clue(DEPENDENCY, 2.0, "nothing was rolled out in the last 30 minutes")
            yield Clue(BAD_STATE, 3.0, "nothing was rolled out in the last 30 minutes")
        case True:
            yield Clue(BAD_ROLLOUT, 4.0, f"{versions(world)} was rolled out in the last 30 minutes")
            yield Clue(BAD_STATE, 0.1, "")
        case _:
            pass
    only_new = evidence.get("changes.rollout.onlyNewFails")
    if only_new is True and evidence.get("changes.rollout.recent") is True:
        yield Clue(BAD_ROLLOUT, 15.0, failing_versions(world))
    if only_new is False:
        yield Clue(BAD_ROLLOUT, 0.05, "")
        yield Clue(DEPENDENCY, 3.0, "pods of more than one version fail")
    if evidence.get("changes.rollout.previousAlsoFailed") is True:
        yield Clue(BAD_ROLLOUT, 0.5, "")
    if evidence.get("canary.regression") is True:
        told = f"{evidence.get('canary.version')} fails more than {evidence.get('canary.baseline')} at the same time"
        yield Clue(BAD_ROLLOUT, 100.0, told)


def about_symptoms(evidence: Evidence) -> Iterator[Clue]:
    """What the pods themselves say."""
    pulling, kills = number(evidence, "objects.imagePull.count"), number(evidence, "objects.oomKilled.count")
    crashing = number(evidence, "objects.crashLooping.count")
    if pulling >= 1:
        yield Clue(IMAGE, 50_000.0, f"the image of {pulling:.0f} pods cannot be pulled")
    if kills >= 2:
        yield Clue(MEMORY, 30.0, f"killed for memory {kills:.0f} times in 30 min")
        yield Clue(DEPENDENCY, 0.1, "")
    elif kills == 0:
        yield Clue(MEMORY, 0.02, "")
    if evidence.get("objects.stuckRollout") is True and pulling == 0 and crashing == 0 and kills == 0:
        yield Clue(NEVER_READY, 200.0, "the rollout is stuck, and no pod crashes")
    if crashing >= 1:
        yield Clue(BAD_STATE, 0.1, "")
    if evidence.get("signals.errors.abnormal") is True and crashing == 0 and pulling == 0:
        yield Clue(DEPENDENCY, 3.0, "requests fail while the pods run")
        yield Clue(BAD_STATE, 3.0, "requests fail while the pods run")


def about_pods(evidence: Evidence) -> Iterator[Clue]:
    """Whether few pods give the failures while the others, of the same version, serve well; what fails behind them all
    fails for them all.
    """
    few, everyone, share = (number(evidence, f"signals.errors.{part}") for part in ("pods", "podsOf", "podsShare"))
    give = "gives" if few == 1 else "give"
    told = f"{few:.0f} of {everyone:.0f} pods {give} {percent(share)} % of the failed requests"
    well = number(evidence, "signals.errors.elsewhere") <= max(
        number(evidence, "signals.errors.high"), number(evidence, "signals.errors.value") / 10
    )
    if 2 * few < everyone and well:
        yield Clue(BAD_STATE, 30.0, told)
        yield Clue(DEPENDENCY, 0.1, "")
    elif few >= ALIKE * everyone:
        yield Clue(DEPENDENCY, 3.0, "all pods fail alike")
        yield Clue(BAD_STATE, 0.1, "")


def about_nodes(world: World) -> Iterator[Clue]:
    """Whether all failing pods share one node that others do not."""
    bad: list[str] = []
    good: list[str] = []
    for pod in living(world):
        (bad if failing(pod) else good).append(str((pod.get("spec") or {}).get("nodeName") or ""))
    if len(bad) >= 2 and len(set(bad)) == 1 and bad[0] and good and bad[0] not in good:
        yield Clue(NODE, 40.0, f"all {len(bad)} failing pods run on node {bad[0]}, no healthy one does")
    elif bad:
        yield Clue(NODE, 0.2, "")


def failing_versions(world: World) -> str:
    """`all failing pods are v42, none of v41`."""
    before, after = names(world)
    return f"all failing pods are {after}, none of {before}" if before else f"all failing pods are {after}"


def versions(world: World) -> str:
    """The newest version's name."""
    return names(world)[1]


def names(world: World) -> tuple[str, str]:
    """What people call the version before and the newest one."""
    found = newest_first(world)
    if len(found) < 2:
        return "", "the newest version"
    before, after = version_names(template(found[1]), template(found[0]))
    return (before, after) if before != after else ("the version before", "the newest version")


def template(replica_set: Object) -> Object:
    """The pod template of a ReplicaSet."""
    found: Object = replica_set["spec"]["template"]
    return found
