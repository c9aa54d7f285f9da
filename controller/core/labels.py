"""Labels: what an incident's events say about whether acting was right. Derived, never typed in.

A verified effect is good, no effect or harm is bad, a person's rejection is bad, a person's undo or a recurrence
within `RECURRENCE` turns a good label bad. Inconclusive gives none: silence is not success (S30). A rollback is not
to blame for the trouble of another version than the one it went back to: the next bad release, or the same once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.core.events import Answered, Event, Opened, Proposed, Symptom, Undone, Verdict, Verified
from detectors.series import Workload
from remediations.plan import Outcome, Plan
from remediations.rollback import TEMPLATE
from remediations.templates import digest

RECURRENCE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Label:
    """One judged proposal. `outcome` is None for a rejection; `runbook` is the name without its version; `template` is
    the digest of the pod template that a rollback went back to.
    """

    incident: str
    workload: Workload
    runbook: str
    remediation: str
    digest: str
    good: bool
    why: str
    at: datetime
    symptoms: tuple[Symptom, ...] = ()
    outcome: Outcome | None = None
    template: str = ""


def name_of(reference: str) -> str:
    """`crash-loop-after-rollout` of `crash-loop-after-rollout@3`."""
    return reference.partition("@")[0]


def labels(events: Iterable[Event]) -> tuple[Label, ...]:
    """The labels of one incident's events, in order; at most one a plan and verdict."""
    opened: Opened | None = None
    proposals: dict[str, Proposed] = {}
    found: dict[str, Label] = {}
    for event in events:
        match event:
            case Opened():
                opened = event
            case Proposed():
                proposals[event.plan.digest] = event
            case Verified() if opened and event.digest in proposals and event.outcome is not Outcome.INCONCLUSIVE:
                good = event.outcome is Outcome.EFFECTIVE
                verified = _label(opened, proposals[event.digest], good, event.outcome.value.lower(), event.at)
                found[event.digest] = replace(verified, outcome=event.outcome)
            case Answered() if opened and event.digest in proposals and event.verdict is Verdict.REJECT:
                found[event.digest] = _label(
                    opened, proposals[event.digest], False, f"rejected by {event.by}", event.at
                )
            case Undone() if opened and event.by and event.digest in proposals:
                undone = _label(opened, proposals[event.digest], False, f"undone by {event.by}", event.at)
                judged = found.get(event.digest, undone)
                found[event.digest] = replace(judged, good=False, why=undone.why)
            case _:
                pass
    return tuple(found.values())


def _label(opened: Opened, proposed: Proposed, good: bool, why: str, at: datetime) -> Label:
    return Label(
        incident=opened.incident,
        workload=opened.workload,
        runbook=name_of(proposed.runbook),
        remediation=proposed.plan.remediation,
        digest=proposed.plan.digest,
        good=good,
        why=why,
        at=at,
        symptoms=opened.symptoms,
        template=restored(proposed.plan),
    )


def restored(plan: Plan) -> str:
    """The digest of the template that a rollback goes back to, empty for every other plan."""
    written = (op.value for step in plan.steps for op in step.patch if op.path == TEMPLATE)
    return next((digest(value) for value in written if isinstance(value, dict)), "")


def recurred(label: Label, later: Opened) -> bool:
    """True when the same trouble came back soon after an action that was called effective; after a rollback only on the
    version it went back to, where the log says which ran.
    """
    same = {symptom.code for symptom in label.symptoms} & {symptom.code for symptom in later.symptoms}
    within = label.at <= later.at <= label.at + RECURRENCE
    another = bool(label.template and later.template) and label.template != later.template
    return label.good and within and bool(same) and label.workload == later.workload and not another
