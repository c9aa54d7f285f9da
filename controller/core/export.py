"""An incident as a runbook test: what was measured when the plan was made, and what should be done about it.

Promises text that loads as one entry of a runbook's `tests:` block. What is expected follows from how it ended: a
plan that helped is expected again, one that was rejected or did not help is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import yaml
from pydantic import JsonValue

from controller.core.events import Answered, Event, Observed, Opened, Proposed, Verdict, Verified
from controller.core.words import clean
from remediations.plan import Outcome
from runbooks.duration import format_duration
from runbooks.evidence import FACTS

_DURATIONS = frozenset(fact.name for fact in FACTS if fact.type == "duration")
_KNOWN = frozenset(fact.name for fact in FACTS)


def runbook_test(incident: str, events: Sequence[Event]) -> str:
    """YAML of one test; facts that this program does not know are left out."""
    proposed = _decisive(events)
    return yaml.safe_dump(
        [
            {
                "name": _name(incident, events),
                "given": nested(_evidence(events, proposed)),
                "expect": _expected(proposed, events),
            }
        ],
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=False,
    )


def _name(incident: str, events: Sequence[Event]) -> str:
    opened = next(event for event in events if isinstance(event, Opened))
    what = ", ".join(clean(symptom.text, 60) for symptom in opened.symptoms)
    return clean(f"{incident} {opened.workload.name}: {what}", 120)


def _decisive(events: Sequence[Event]) -> Proposed | None:
    """The proposal that was judged, else the newest."""
    judged = {event.digest for event in events if isinstance(event, Verified)}
    proposals = [event for event in events if isinstance(event, Proposed)]
    return next((event for event in proposals if event.plan.digest in judged), proposals[-1] if proposals else None)


def _evidence(events: Sequence[Event], proposed: Proposed | None) -> Mapping[str, JsonValue]:
    """What was known when the plan was made."""
    known: Mapping[str, JsonValue] = {}
    for event in events:
        if event is proposed:
            break
        if isinstance(event, Opened | Observed) and event.symptoms:
            known = event.evidence
    return known


def _expected(proposed: Proposed | None, events: Sequence[Event]) -> JsonValue:
    if proposed is None:
        return "nothing"
    digest = proposed.plan.digest
    rejected = any(isinstance(e, Answered) and e.digest == digest and e.verdict is Verdict.REJECT for e in events)
    failed = any(isinstance(e, Verified) and e.digest == digest and e.outcome is not Outcome.EFFECTIVE for e in events)
    return "nothing" if rejected or failed else {"step": proposed.plan.remediation}


def nested(flat: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Dotted names as a mapping of mappings."""
    root: dict[str, JsonValue] = {}
    for name, value in flat.items():
        if name not in _KNOWN:
            continue
        *groups, leaf = name.split(".")
        at = root
        for group in groups:
            below = at.setdefault(group, {})
            assert isinstance(below, dict)
            at = below
        at[leaf] = _duration(value) if name in _DURATIONS else value
    return root


def _duration(value: JsonValue) -> JsonValue:
    """Events hold durations as seconds; runbooks write `2m`."""
    return format_duration(timedelta(seconds=value)) if isinstance(value, int | float) else value
