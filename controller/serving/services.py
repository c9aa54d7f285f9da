"""Watched services as the page, REST and `trimtab status` show them: load, forecast, data, modes, what was withheld.

Reads what the program knows already and asks nobody outside. Promises that a number which is not there comes with
the reason, and that nothing here differs from what the loops themselves see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from controller.core.events import Opened
from controller.core.headline import decided
from controller.core.history import History
from controller.core.incident import fold
from controller.core.report import Deed, Way, deeds_of
from controller.observe.consent import Consent
from controller.program import Program
from controller.web.backend import Quantity, Service
from detectors.series import Workload

LATELY = timedelta(days=7)
"""How far back "what I would have done" goes."""

NO_METRICS = "no Prometheus is set (prometheus_url)"
NO_PRESET = "no metrics preset (policy_defaults.preset, or metrics of a ServicePolicy)"
NO_QUERY = "its ServicePolicy has no query for the load (metrics.signals.load)"
NOT_YET = "not measured yet"


def service_of(program: Program, workload: Workload) -> Service:
    """One watched workload as it stands."""
    seen = program.sight.look(workload, program.parts.clock.now())
    consent = program.consents.of(workload, seen.labels)
    policy = consent.policy
    opened = program.history.open.get(workload.key, "")
    known = seen.world is not None
    ready, desired = seen.evidence.get("replicas.ready"), seen.evidence.get("replicas.desired")
    load, peak = numbers(program, workload, consent)
    return Service(
        workload=workload,
        mode=policy.mode.value,
        policy=policy.name,
        health=seen.data if known else None,
        ready=int(ready) if isinstance(ready, int | float) else None,
        desired=int(desired) if isinstance(desired, int | float) else None,
        incident=opened,
        would=withheld(program.history, opened) if opened else "",
        scaling=policy.scaling.value,
        canary=policy.canary.value,
        load=load,
        peak=peak,
    )


def numbers(program: Program, workload: Workload, consent: Consent) -> tuple[Quantity, Quantity]:
    """Load now and the bound of what is to come, each with why it is missing."""
    why = no_source(program, consent) or NOT_YET
    return Quantity(why=why), Quantity(why=why)


def no_source(program: Program, consent: Consent) -> str:
    """Why nobody asks for this workload's load; empty when somebody does."""
    if program.parts.metrics is None:
        return NO_METRICS
    if consent.signals is not None:
        return "" if consent.signals.load is not None else NO_QUERY
    return "" if consent.preset is not None else NO_PRESET


def withheld(history: History, incident: str) -> str:
    """What Observe kept from being done in an open incident, in one clause; empty where it did not."""
    events = history.streams.get(f"incident:{incident}", [])
    found = fold(enumerate(events, start=1))
    observed = found is not None and found.decision is not None and found.decision.would is not None
    return decided(found) if found is not None and observed else ""


def would_have(history: History, now: datetime) -> Mapping[Workload, tuple[Deed, ...]]:
    """What would have been done in the last seven days, by workload, newest first."""
    found: dict[Workload, list[Deed]] = defaultdict(list)
    for events in history.streams.values():
        if not isinstance(events[0], Opened) or events[-1].at < now - LATELY:
            continue
        for deed in deeds_of(events):
            if deed.way in (Way.WOULD_ACT, Way.WOULD_ASK) and deed.at >= now - LATELY:
                found[deed.workload].append(deed)
    return {workload: tuple(sorted(deeds, key=lambda deed: deed.at, reverse=True)) for workload, deeds in found.items()}
