"""What happened and what is done about it, as verbs: `crash-loops`, `crash-looped`, `roll back to v41`, `rolled back`.

Promises a phrase for every symptom and remediation, third-party ones included: what is not known here is named by its
own code, never left out. What a phrase takes from a plan (a version) it reads from the plan's own words, and does
without where they are not as expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from controller.core.events import Changed, Event, Symptom
from controller.core.words import clean
from remediations.plan import Plan


@dataclass(frozen=True, slots=True)
class Verb:
    """`now` while it lasts, `past` once it is over."""

    now: str
    past: str


SYMPTOMS: dict[str, Verb] = {
    "crash-loop": Verb("crash-loops", "crash-looped"),
    "image-pull": Verb("cannot pull its image", "could not pull its image"),
    "oom-killed": Verb("runs out of memory", "ran out of memory"),
    "stuck-rollout": Verb("is stuck in a rollout", "was stuck in a rollout"),
    "regression": Verb("fails more requests", "failed more requests"),
    "errors": Verb("fails requests", "failed requests"),
    "not-ready": Verb("is not ready", "was not ready"),
    "alert": Verb("has an alert firing", "had an alert firing"),
}
"""By symptom code, the most telling first: the headline takes the first that an incident has."""

UNWELL = Verb("is unhealthy", "was unhealthy")


def unfit(reasons: Iterable[str]) -> str:
    """Why no runbook fits, in one clause: the one reason, or how many were looked at."""
    found = [clean(reason) for reason in reasons]
    if len(found) == 1:
        return f"no runbook fits: {found[0]}"
    return f"none of {len({reason.partition(': ')[0] for reason in found})} runbooks fits"


_VERSION = r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,40}"
_TO = re.compile(rf"that of ({_VERSION})")
_RAISED = re.compile(r"→ (\d[0-9A-Za-z.]{0,20})")
_ROLLOUT = re.compile(rf"→ ({_VERSION})")


def symptom_verb(symptoms: Iterable[Symptom]) -> Verb:
    """The most telling of the symptoms as a verb."""
    codes = {symptom.code for symptom in symptoms}
    return next((verb for code, verb in SYMPTOMS.items() if code in codes), UNWELL)


def act(plan: Plan) -> Verb:
    """What the plan does: `now` as a request (`roll back to v41`), `past` as a fact (`rolled back to v41`)."""
    match plan.remediation:
        case "rollback":
            to = _found(_TO, plan.change)
            return Verb(f"roll back{f' to {to}' if to else ''}", f"rolled back{f' to {to}' if to else ''}")
        case "limits":
            to = _found(_RAISED, plan.change)
            return Verb(
                f"raise the memory limit{f' to {to}' if to else ''}", f"memory limit raised{f' to {to}' if to else ''}"
            )
        case "restart":
            return Verb("restart it", "restarted")
        case other:
            name = clean(other, 60)
            return Verb(f"carry out {name}", f"{name} carried out")


def noun(plan: Plan) -> str:
    """What a button names: `Approve the rollback`."""
    return {"rollback": "the rollback", "limits": "the new limit", "restart": "the restart"}.get(
        plan.remediation, clean(plan.remediation, 40)
    )


def after_rollout(events: Iterable[Event]) -> str:
    """` after v42` when a rollout belongs to the story, else nothing."""
    rollouts = [event for event in events if isinstance(event, Changed) and event.what == "rollout"]
    found = _ROLLOUT.search(rollouts[-1].text) if rollouts else None
    return f" after {found.group(1)}" if found else ""


def _found(pattern: re.Pattern[str], lines: Iterable[str]) -> str:
    return next((match.group(1) for line in lines if (match := pattern.search(line))), "")
