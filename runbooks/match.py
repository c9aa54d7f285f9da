"""Evidence × Runbooks to Matches: which runbook applies to one workload, and why the others do not.

Promises to fail closed: a missing fact never matches, and a `whenNot` that is true, unknown or broken forbids.
Proposes nothing and decides nothing; the order is the one in which repairs should be considered (S27), the same for
the same input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from detectors.series import Workload
from remediations.registry import Registry, shipped
from runbooks import expression
from runbooks.evidence import Evidence
from runbooks.expression import Broken, Fails, Holds, Known, Unknown
from runbooks.schema import Runbook


@dataclass(frozen=True, slots=True)
class Match:
    """A runbook whose conditions hold: the facts they rest on with their values, and the cause it names."""

    runbook: Runbook
    why: tuple[Known, ...]

    @property
    def cause(self) -> str:
        """The cause the runbook repairs."""
        return self.runbook.spec.cause


@dataclass(frozen=True, slots=True)
class NotMet:
    """`when` is false; the facts it names with their values."""

    facts: tuple[Known, ...]

    def __str__(self) -> str:
        return f"when is false ({_listed(self.facts)})"


@dataclass(frozen=True, slots=True)
class Vetoed:
    """`whenNot` is true; the facts it names with their values."""

    facts: tuple[Known, ...]

    def __str__(self) -> str:
        return f"whenNot is true ({_listed(self.facts)})"


@dataclass(frozen=True, slots=True)
class Missing:
    """`field` (when or whenNot) names facts that nobody measured."""

    field: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.field} cannot be told: {', '.join(self.names)} missing"


@dataclass(frozen=True, slots=True)
class Failed:
    """`field` could not be evaluated."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field} cannot be evaluated: {self.message}"


@dataclass(frozen=True, slots=True)
class OtherKind:
    """The runbook does not act on this kind of workload."""

    kind: str

    def __str__(self) -> str:
        return f"does not act on {self.kind}"


Reason: TypeAlias = NotMet | Vetoed | Missing | Failed | OtherKind


@dataclass(frozen=True, slots=True)
class NoMatch:
    """A runbook that does not apply, and why not."""

    runbook: Runbook
    reason: Reason


@dataclass(frozen=True, slots=True)
class Matching:
    """The answer for one workload: matches in the order to consider them, and the rest by name."""

    matches: tuple[Match, ...]
    rejected: tuple[NoMatch, ...]


def match(
    evidence: Evidence, runbooks: Iterable[Runbook], workload: Workload, remediations: Registry | None = None
) -> Matching:
    """Every runbook that speaks for this workload, matched or rejected with its reason.

    Cheapest reversible first, then the one that asks more, then the name. Which cause is likelier is not asked here:
    who proposes puts the likelier one first, and keeps this order within a cause.
    """
    registry = shipped() if remediations is None else remediations
    answers = [consider(evidence, runbook, workload.kind) for runbook in speaking_for(workload, runbooks)]
    matches = (answer for answer in answers if isinstance(answer, Match))
    rejected = (answer for answer in answers if isinstance(answer, NoMatch))
    return Matching(
        tuple(sorted(matches, key=lambda found: _cost(found.runbook, registry))),
        tuple(sorted(rejected, key=lambda found: found.runbook.name)),
    )


def speaking_for(workload: Workload, runbooks: Iterable[Runbook]) -> tuple[Runbook, ...]:
    """The runbooks in force where the workload lives, one per name.

    Its namespace's Runbook outranks a ClusterRunbook of the cluster, which outranks a shipped one. A Runbook without a
    namespace lives nowhere.
    """
    strongest: dict[str, tuple[int, int, Runbook]] = {}
    for runbook in runbooks:
        rank = _rank(runbook, workload.namespace)
        kept = strongest.get(runbook.name)
        if rank and (kept is None or (rank, runbook.version) > kept[:2]):
            strongest[runbook.name] = (rank, runbook.version, runbook)
    return tuple(strongest[name][2] for name in sorted(strongest))


def consider(evidence: Evidence, runbook: Runbook, kind: str) -> Match | NoMatch:
    """One runbook against the evidence, for a workload of this kind."""
    if kind not in runbook.spec.targets:
        return NoMatch(runbook, OtherKind(kind))
    reason = _unmet(evidence, runbook.spec.when) or _vetoed(evidence, runbook.spec.when_not)
    if reason is not None:
        return NoMatch(runbook, reason)
    asked = (runbook.spec.when, runbook.spec.when_not or "")
    return Match(runbook, tuple(dict.fromkeys(fact for text in asked for fact in expression.known(text, evidence))))


def _unmet(evidence: Evidence, when: str) -> Reason | None:
    match expression.evaluate(when, evidence):
        case Holds():
            return None
        case Fails():
            return NotMet(expression.known(when, evidence))
        case Unknown(missing):
            return Missing("when", missing)
        case Broken(message):
            return Failed("when", message)
        case truth:
            assert_never(truth)


def _vetoed(evidence: Evidence, when_not: str | None) -> Reason | None:
    if when_not is None:
        return None
    match expression.evaluate(when_not, evidence):
        case Fails():
            return None
        case Holds():
            return Vetoed(expression.known(when_not, evidence))
        case Unknown(missing):
            return Missing("whenNot", missing)
        case Broken(message):
            return Failed("whenNot", message)
        case truth:
            assert_never(truth)


def _rank(runbook: Runbook, namespace: str) -> int:
    """How strongly a runbook speaks for a namespace; 0 not at all. Only cluster objects have a generation."""
    match runbook.kind:
        case "Runbook":
            return 3 if runbook.metadata.namespace == namespace else 0
        case "ClusterRunbook":
            return 2 if runbook.metadata.generation is not None else 1


def _cost(runbook: Runbook, registry: Registry) -> tuple[bool, str, int, int, str]:
    """Reversible, then the class whose crash is easiest to settle, few steps, more facts asked, the name."""
    steps = [registry[step.remediation] for step in runbook.spec.steps if step.remediation in registry]
    known = len(steps) == len(runbook.spec.steps)
    irreversible = not known or any(step.irreversible for step in steps)
    worst = max((step.step_class.value for step in steps), default="D") if known else "D"
    asked = len({*expression.uses(runbook.spec.when), *expression.uses(runbook.spec.when_not or "")})
    return irreversible, worst, len(runbook.spec.steps), -asked, runbook.name


def _listed(facts: tuple[Known, ...]) -> str:
    return ", ".join(str(fact) for fact in facts)
