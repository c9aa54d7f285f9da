"""Sight: what is seen of every workload, from object states, alerts and indicators together.

Promises that what cannot be trusted says so (`Seen.data`), that an old picture is not taken for a calm one, and that
one look reads nothing from the outside: rounds fill it, watches keep it current.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from controller.core.alerts import ALERTS_QUERY, Alert, Assigned, Known, alerts_of, assign
from controller.core.changes import Change, rollout
from controller.core.culprits import of_pods
from controller.core.diagnose import diagnose
from controller.core.events import Cause, Symptom
from controller.core.history import History
from controller.core.observe import healthy_now, observe
from controller.core.presets import of_twins
from controller.core.rollout import Rollout, facts
from controller.core.symptoms import percent, symptoms
from controller.kinds import AUTOSCALERS, PODS
from controller.observe.cache import Cache
from controller.observe.consent import Consents
from controller.observe.culprits import Suspects
from controller.observe.fleet import Fleet, sources_of
from controller.ports import Unavailable
from controller.settings import Settings
from detectors.results import Abstention, Detection
from detectors.series import HEALTHY, DataHealth, Problem, Workload
from remediations.cluster import HealthyRevision, World
from runbooks.evidence import Evidence

log = structlog.get_logger(__name__)

BREAKER_SHARE, BREAKER_COUNT, CLEAN_ROUNDS = 0.40, 5, 2
"""More than this share *and* at least so many workloads anomalous at once: the observer may be what broke (S14)."""
SURE_OF_OBJECTS, SURE_OF_ALERTS = 0.99, 0.90
"""How sure an object's own state makes us that something is wrong, and an alert that others wrote."""
SYMPTOM_HOLDS = timedelta(seconds=20)
"""How long a symptom that comes and goes stays one."""
WEBHOOK_HOLDS = timedelta(minutes=10)
"""How long an alert by webhook counts without being repeated."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at one workload. `at` is the age of its oldest part; `abnormal` how sure we are that something is
    wrong.
    """

    workload: Workload
    at: datetime
    data: DataHealth
    world: World | None = None
    known_gone: bool = False
    evidence: Evidence = field(default_factory=dict)
    symptoms: tuple[Symptom, ...] = ()
    causes: tuple[Cause, ...] = ()
    changes: tuple[Change, ...] = ()
    abnormal: float = 0.0
    healthy: HealthyRevision | None = None
    errors: Detection | Abstention | None = None
    rollout: Rollout | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        """The workload's own labels."""
        return {} if self.world is None else self.world.object["metadata"].get("labels") or {}

    @property
    def words(self) -> str:
        """The indicator in words."""
        return f"errors {percent(self.errors.value)} %" if isinstance(self.errors, Detection) else ""


class Sight:
    """The newest picture. `fleet` None: no Prometheus is configured."""

    def __init__(
        self, settings: Settings, cache: Cache, history: History, consents: Consents, fleet: Fleet | None
    ) -> None:
        self._settings, self._cache, self._history, self._consents = settings, cache, history, consents
        self.fleet, self._presets = fleet, of_twins(settings.prometheus_replica_labels)
        scrape = settings.duration(settings.scrape_interval)
        self._suspects = Suspects(fleet.metrics, scrape, self._presets) if fleet else None
        self._asked_at: datetime | None = None
        self._alerts: Assigned | None = None
        self._told = Assigned({}, ())
        self._webhook: dict[frozenset[tuple[str, str]], tuple[datetime, Alert]] = {}
        self._anomalous: dict[Workload, bool] = {}
        self._held: dict[Workload, dict[str, tuple[datetime, Symptom]]] = {}
        self._dirty_rounds_ago = CLEAN_ROUNDS
        self._suspicion = ""

    def told(self, alerts: Iterable[Alert], now: datetime) -> frozenset[Workload]:
        """Take in alerts by webhook; the workloads they name."""
        for alert in alerts:
            if alert.firing:
                self._webhook[alert.key] = (now, alert)
            else:
                self._webhook.pop(alert.key, None)
        self._told = assign([alert for _, alert in self._webhook.values()], self.known())
        return frozenset(self._told.by_workload)

    def known(self) -> Known:
        """Which workloads and pods there are."""
        shelf = self._cache.shelf(PODS)
        owners = {place: owner for place, pod in shelf.objects.items() if (owner := self._cache.owner_of(PODS, pod))}
        return Known(frozenset(self._cache.workloads()), owners)

    async def round(self, now: datetime) -> None:
        """Ask Prometheus for the whole fleet once."""
        known = self.known()
        self._webhook = {key: held for key, held in self._webhook.items() if now - held[0] < WEBHOOK_HOLDS}
        self._told = assign([alert for _, alert in self._webhook.values()], known)
        if self.fleet is not None:
            asked = await self.fleet.metrics.instant(ALERTS_QUERY, now)
            firing = None if isinstance(asked, Unavailable) else alerts_of(asked)
            self._alerts = None if firing is None else assign(firing, known)
            await self.fleet.ask(sources_of(self._wanted(known), self._presets), known, now)
        if self._suspects is not None:
            await self._suspects.ask(self._to_blame(known, now), now)
        self._asked_at = now
        for workload in known.workloads:
            try:
                self.look(workload, now)
            except Exception:
                log.exception("look broke", workload=workload.key)  # its own pass tells of it, the others go on
        self._tidy()
        self._suspect()

    def _wanted(self, known: Known) -> Iterable[tuple[Workload, str | None, str | None]]:
        for workload in known.workloads:
            consent = self._consents.of(workload, self.labels(workload))
            own = consent.signals.errors if consent.signals is not None else None
            yield workload, consent.preset.value if consent.preset is not None else None, own

    def _to_blame(self, known: Known, now: datetime) -> Iterable[tuple[World, str | None]]:
        """The workloads with an open incident whose errors are abnormal, with the preset that counts their requests."""
        for workload, preset, own in self._wanted(known):
            judged = self.fleet.judged.get(workload) if self.fleet is not None else None
            abnormal = judged is not None and isinstance(judged.answer, Detection) and judged.answer.abnormal
            if workload.key not in self._history.open or own is not None or not abnormal:
                continue
            world = self._cache.world(workload, now)
            if world is not None:
                yield world, preset

    def labels(self, workload: Workload) -> Mapping[str, str]:
        """The workload's own labels as last heard of."""
        return self._cache.labels(workload)

    def data(self, workload: Workload, now: datetime) -> DataHealth:
        """How far what is seen of one workload can be trusted, without looking at it."""
        return self._trust(workload, self._cache.knows(workload), self._cache.trouble, now)

    def _trust(self, workload: Workload, there: bool, trouble: str, now: datetime) -> DataHealth:
        if there:
            return self._health(workload, trouble, now)
        return DataHealth(frozenset({Problem.STALE}), trouble) if trouble else HEALTHY

    def look(self, workload: Workload, now: datetime) -> Seen:
        """Everything that is known of one workload now."""
        world = self._cache.world(workload, now)
        trouble = self._cache.trouble
        data = self._trust(workload, world is not None, trouble, now)
        if world is None:
            return Seen(workload, now, data, known_gone=not trouble)
        world = self._history.with_healthy(world)
        judged = self.fleet.judged.get(workload) if self.fleet is not None else None
        errors = judged.answer if judged is not None else None
        judging = self._history.rollouts.get(workload.key)
        evidence = {**observe(world, self._alerts_of(workload), errors, now), **dict(facts(judging, world, now))}
        if self._cache.shelf(AUTOSCALERS).synced:
            evidence["replicas.autoscaled"] = bool(self._cache.autoscalers(workload))
        if self._suspects is not None and (blamed := self._suspects.latest.get(workload)) is not None:
            evidence.update(of_pods(blamed))
        found = self._hold(workload, symptoms(evidence), now)
        self._anomalous[workload] = bool(found)
        change = rollout(world) if evidence.get("changes.rollout.recent") is True else None
        return Seen(
            workload=workload,
            at=min(now, self._asked_at) if self.fleet is not None and self._asked_at is not None else now,
            data=data,
            world=world,
            evidence=evidence,
            symptoms=found,
            causes=diagnose(evidence, world) if found else (),
            changes=(change,) if change is not None else (),
            abnormal=certainty(found, errors),
            healthy=healthy_now(world, now, self._settings.duration(self._settings.healthy_revision_seconds))
            if not trouble and not found
            else None,
            errors=errors,
            rollout=judging,
        )

    def _hold(self, workload: Workload, found: tuple[Symptom, ...], now: datetime) -> tuple[Symptom, ...]:
        """The present symptoms and those that were there a moment ago: pods flap between two crashes."""
        held = self._held.get(workload, {})
        kept = {code: (at, symptom) for code, (at, symptom) in held.items() if now - at < SYMPTOM_HOLDS}
        kept.update({symptom.code: (now, symptom) for symptom in found})
        self._held[workload] = kept
        return tuple(symptom for _, symptom in kept.values())

    def _alerts_of(self, workload: Workload) -> tuple[Alert, ...] | None:
        """The alerts that name it, once each; None when nobody could be asked and nobody told."""
        told = self._told.by_workload.get(workload, ())
        if self._alerts is None:
            return told or None
        asked = self._alerts.by_workload.get(workload, ())
        return tuple({alert.key: alert for alert in (*told, *asked)}.values())

    def _health(self, workload: Workload, trouble: str, now: datetime) -> DataHealth:
        health = DataHealth(frozenset({Problem.STALE}), trouble) if trouble else HEALTHY
        if self.fleet is None:
            return health
        old = self._asked_at is None or now - self._asked_at > 3 * self._settings.duration(self._settings.round_seconds)
        if old:
            health |= DataHealth(frozenset({Problem.STALE}), "Prometheus was not asked lately")
        if self._alerts is None:
            health |= DataHealth(frozenset({Problem.UNAVAILABLE}), "alerts could not be read")
        judged = self.fleet.judged.get(workload)
        return health | judged.health if judged is not None else health

    def _tidy(self) -> None:
        """Forget what is gone, once a round."""
        watched = set(self._cache.workloads())
        self._anomalous = {workload: self._anomalous.get(workload, False) for workload in watched}
        self._held = {workload: held for workload, held in self._held.items() if workload in watched and held}
        self._consents.tidy()

    def _suspect(self) -> None:
        """Trip or clear the breaker, once a round (S14)."""
        bad, watched = sum(self._anomalous.values()), len(self._anomalous)
        if bad >= BREAKER_COUNT and bad > BREAKER_SHARE * watched:
            self._dirty_rounds_ago = 0
            self._suspicion = f"{bad} of {watched} workloads look broken at once: the observer may be what broke"
            log.warning("observer suspect", anomalous=bad, watched=watched)
        else:
            self._dirty_rounds_ago = min(CLEAN_ROUNDS, self._dirty_rounds_ago + 1)

    @property
    def window(self) -> timedelta:
        """Over how long the error share is measured, up to the moment it is asked for."""
        return self.fleet.grid.window if self.fleet is not None else timedelta()

    def observer_suspect(self) -> str | None:
        """Why the observer itself is in doubt; None when it is not."""
        return self._suspicion if self._dirty_rounds_ago < CLEAN_ROUNDS else None


def certainty(found: tuple[Symptom, ...], errors: Detection | Abstention | None) -> float:
    """How sure it is that something is wrong, 0–1: the surest symptom counts."""
    sure = [0.0]
    for symptom in found:
        if symptom.code == "alert":
            sure.append(SURE_OF_ALERTS)
        elif symptom.code == "errors":
            sure.append(
                min(SURE_OF_OBJECTS, 1.0 - errors.p) if isinstance(errors, Detection) and errors.p >= 0 else 0.0
            )
        else:
            sure.append(SURE_OF_OBJECTS)
    return max(sure)
