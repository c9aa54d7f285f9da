"""Watched services as the page, REST and `trimtab status` show them: load, forecast, data, modes, what was withheld.

Reads what the program knows already and asks nobody outside. Promises that a number which is not there comes with
the reason, and that nothing here differs from what the loops themselves see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from controller.chart import named
from controller.core.events import Opened
from controller.core.floor import Floor
from controller.core.headline import decided
from controller.core.history import History
from controller.core.incident import fold
from controller.core.policy import Policy, ScalingMode
from controller.core.report import deeds_of
from controller.core.report_floors import WORTH, floors_of
from controller.core.report_parts import Deed, Way
from controller.core.rollout import column, sentence
from controller.core.sizing import Wanted
from controller.core.words import clean, percent
from controller.observe.consent import Consent
from controller.observe.demand import Demanded
from controller.program import Program
from controller.web.backend import Clause, Quantity, Service
from detectors.results import Abstention, Forecast
from detectors.series import Workload
from remediations.floor import least_of

LATELY = timedelta(days=7)
"""How far back "what I would have done" goes."""

NO_METRICS = f"no Prometheus is set ({named('prometheus_url')})"
NO_PRESET = f"no metrics preset ({named('policy_defaults.preset')}; or metrics of a ServicePolicy)"
NO_QUERY = "its ServicePolicy has no query for the load (metrics.signals.load)"
NO_SCALE = "a DaemonSet has as many pods as there are nodes"
OFF = "its scaling mode is Off"
NOT_YET = "not measured yet"
STANDS_BY = "this replica stands by: the one that leads measures"


def service_of(program: Program, workload: Workload) -> Service:
    """One watched workload as it stands."""
    seen = program.sight.look(workload, program.parts.clock.now())
    consent = program.consents.of(workload, seen.labels)
    policy = consent.policy
    opened = program.history.open.get(workload.key, "")
    known = seen.world is not None
    ready, desired = seen.evidence.get("replicas.ready"), seen.evidence.get("replicas.desired")
    known_load = program.demand.of(workload) if program.demand is not None else None
    leads = program.leadership.epoch is not None
    why = no_source(program, workload, consent) or (NOT_YET if leads else STANDS_BY)
    minimum = next((least_of(item) for item in program.cache.autoscalers(workload)), None)
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
        load=load_of(known_load, why),
        peak=peak_of(known_load, why),
        floor=floor_of(program.history.floor(workload), policy, known_load, minimum),
        rollout=rollout_of(program, workload),
    )


def load_of(known: Demanded | None, why: str) -> Quantity:
    """The load now."""
    if known is None:
        return Quantity(why=why)
    return Quantity(known.load, known.unit, "" if known.load is not None else f"data {known.health}")


def peak_of(known: Demanded | None, why: str) -> Quantity:
    """The bound that the load stays under while a new pod would start, and until when."""
    if known is None:
        return Quantity(why=why)
    match known.forecast:
        case Abstention(reason):
            return Quantity(unit=known.unit, why=reason)
        case Forecast(at=at, peak=peak):
            sure = f"with a chance of {percent(peak.quantile)}"
            return Quantity(peak.value, known.unit, sure, at + peak.window)


def floor_of(floor: Floor, policy: Policy, known: Demanded | None, minimum: int | None) -> Clause:
    """The floor: held, taken back, or what it would be; else why there is none."""
    wanted = known.floor if known is not None else None
    why = "; ".join(wanted.reasons) if isinstance(wanted, Wanted) else wanted.reason if wanted is not None else ""
    if floor.held is not None:
        last = floor.judged
        worth = f"the last raise, to {last.replicas}, was {WORTH[last.bearing]}" if last is not None else ""
        return Clause(f"{floor.held.replicas} held", "; ".join(part for part in (why, worth) if part))
    if policy.scaling is ScalingMode.OFF:
        return Clause()
    if floor.ended is not None:
        return Clause("taken back", f"by {clean(floor.ended.by, 80)}; left alone until the policy changes")
    if not isinstance(wanted, Wanted):
        return Clause(why=why)
    if minimum is not None and wanted.replicas <= minimum:
        return Clause("not needed", f"its own minimum of {minimum} is enough: {why}")
    would = "would be" if policy.scaling is ScalingMode.OBSERVE else "wants"
    return Clause(
        f"{would} {wanted.replicas}", f"{f'its own minimum is {minimum}; ' if minimum is not None else ''}{why}"
    )


def rollout_of(program: Program, workload: Workload) -> Clause:
    """The rollout under way with the newest verdict on it; nothing when none is."""
    rollout = program.rollouts.open(workload)
    if rollout is None:
        return Clause()
    verdict = program.rooms.arms.latest.get(workload)
    if verdict is None:
        return Clause(f"{clean(rollout.new.name, 60)} begins", "not compared yet")
    return Clause(clean(column(rollout, verdict), 80), clean(sentence(rollout, verdict)))


def no_source(program: Program, workload: Workload, consent: Consent) -> str:
    """Why nobody asks for this workload's load; empty when somebody does."""
    if workload.kind == "DaemonSet":
        return NO_SCALE
    if consent.policy.scaling is ScalingMode.OFF:
        return OFF
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
    """What would have been done in the last seven days, by workload, newest first: of floors only the newest, the
    report has all of them.
    """
    found: dict[Workload, list[Deed]] = defaultdict(list)
    for events in history.streams.values():
        if not isinstance(events[0], Opened) or events[-1].at < now - LATELY:
            continue
        for deed in deeds_of(events):
            if deed.way in (Way.WOULD_ACT, Way.WOULD_ASK) and deed.at >= now - LATELY:
                found[deed.workload].append(deed)
    for floor in history.floors.values():
        proposal = floor.proposal
        if proposal is not None and proposal.at >= now - LATELY:
            found[floor.workload] += floors_of((proposal,))
    return {workload: tuple(sorted(deeds, key=lambda deed: deed.at, reverse=True)) for workload, deeds in found.items()}
