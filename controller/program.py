"""The program over its ports: watches, election, loops, publishing. The same in a cluster, in tests and in the lab.

Promises that nothing is reconciled unless this replica leads, that answers are taken by any replica, and that it
stops within three seconds with the lease given back.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from controller.api.v1alpha1.kinds import CLUSTER_RUNBOOK, PLANNED_EVENT, REMEDIATION, RUNBOOK, SERVICE_POLICY
from controller.core.alerts import Alert
from controller.core.events import Noted
from controller.core.history import History
from controller.core.incident import Incident
from controller.core.presets import of_twins
from controller.errors import TrimtabError
from controller.journal import Behind, Journal, Replaced
from controller.kinds import AUTOSCALERS, PODS, REPLICA_SETS, WORKLOADS
from controller.loops.incidents import Incidents
from controller.loops.rollouts import Rollouts
from controller.loops.scaling import Scaling
from controller.observe.arms import Arms
from controller.observe.cache import Cache
from controller.observe.consent import Consents
from controller.observe.demand import Demand
from controller.observe.fleet import Fleet, Grid
from controller.observe.passes import Passes
from controller.observe.rooms import Rooms
from controller.observe.sight import Sight
from controller.observe.surroundings import Surroundings
from controller.ports import (
    Access,
    Chat,
    Clock,
    Leases,
    Metrics,
    Notify,
    OutboxRow,
    ResourceKind,
    Resources,
    Store,
    Watch,
)
from controller.runtime import weekly
from controller.runtime.answers import Door
from controller.runtime.background import Background
from controller.runtime.clicks import Clicks
from controller.runtime.executor import Executor
from controller.runtime.hearing import Hearing
from controller.runtime.holder import Holder
from controller.runtime.lag import Pulse
from controller.runtime.leadership import FOUND, Leadership
from controller.runtime.lease import Election, Terms
from controller.runtime.publish import STORE, Publisher
from controller.runtime.queue import KeyedQueue
from controller.runtime.reconcile import Reconciler
from controller.runtime.standing import Statuses
from controller.runtime.workers import Workers
from controller.settings import Settings
from detectors.series import Workload
from remediations.cluster import Cluster
from remediations.registry import Registry, installed
from runbooks.schema import Runbook

log = structlog.get_logger(__name__)

WATCHED = (
    *WORKLOADS,
    REPLICA_SETS,
    PODS,
    AUTOSCALERS,
    SERVICE_POLICY,
    RUNBOOK,
    CLUSTER_RUNBOOK,
    REMEDIATION,
    PLANNED_EVENT,
)
SCALING = timedelta(seconds=15)
"""How often floors are looked at, at least: as often as the autoscaler looks."""
PATIENCE = 0.6
"""Seconds for work under way when the program stops: twice that and the lease's return fit into three."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters. `leases` is a factory, since the election has an event loop of its own."""

    store: Store
    clock: Clock
    cluster: Cluster
    watch: Watch
    leases: Callable[[], Awaitable[Leases]]
    resources: Resources
    access: Access
    metrics: Metrics | None = None
    chat: Chat | None = None
    notifiers: tuple[Notify, ...] = ()
    runbooks: tuple[Runbook, ...] = field(default=())


class Program:
    """One replica."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings, self.parts = settings, parts
        self.identity = settings.identity or socket.gethostname()
        self.queue: KeyedQueue[Workload] = KeyedQueue(parts.clock)
        self.leadership = Leadership(parts.store)
        self.history = History()
        self.journal = Journal(parts.store, lambda: self.leadership.epoch, self.history)
        self.cache = Cache(self._changed)
        registry = installed()
        self.consents = self._consents(registry)
        self.workers = Workers(settings.workers)
        self.sight = Sight(settings, self.cache, self.history, self.consents, self._fleet())
        self.demand = self._demand()
        self.surroundings = Surroundings(settings, parts.resources)
        self.rooms = self._rooms(registry)
        self.background = Background(parts.clock)
        self.pulse = Pulse()
        self._people()
        self._loops()
        self.election: Election | None = None
        self._turn = asyncio.Lock()
        self._stopping: asyncio.Task[None] | None = None
        self.leads = asyncio.Event()

    def _people(self) -> None:
        """What hears people, and what tells them."""
        settings, parts = self.settings, self.parts
        self.door = Door(self.journal, self._approvers)
        self.hearing = Hearing(self.door, self.leadership, parts.clock, self.background)
        self.clicked = Clicks(
            settings.people.slack, self.door, self.journal, parts.resources, parts.access, parts.clock
        )
        self.publisher = Publisher(
            self.rooms, parts.chat, settings.slack_channel, parts.notifiers, settings.public_url.rstrip("/")
        )

    def _loops(self) -> None:
        """The three loops, and the statuses that show what they found."""
        self.scaling = Scaling(self.rooms, self.cache, Holder(self.rooms, self._epoch))
        self.rollouts = Rollouts(self.rooms, self.cache, self.rooms.arms)
        incidents = Incidents(self.rooms, Executor(self.rooms, self._epoch))
        self.reconciler = Reconciler(incidents, self.queue, self.rooms.passes, self._lost)
        self.statuses = Statuses(self.rooms, self.cache, self.scaling.said)

    async def run(self, stop: asyncio.Event) -> None:
        """Lead or stand by until `stop`."""
        self._start()
        try:
            await stop.wait()
        finally:
            await self._stop()

    def _start(self) -> None:
        namespaces: Iterable[str | None] = self.settings.watch_namespaces or [None]
        for kind in WATCHED:
            for namespace in namespaces if kind.namespaced else [None]:
                self.cache.shelf(kind).expect(namespace)
                self.background.forever(self.cache.follow(self.parts.watch, kind, namespace), f"watch-{kind.plural}")
        self.background.forever(self.pulse.beat(), "pulse")
        if self.parts.chat is not None:
            self.background.forever(self._chat(self.parts.chat), "chat")
        terms = Terms(self.identity, self.settings.lease_seconds, self.settings.renew_seconds)
        self.election = Election(
            self.parts.leases, terms, self.leadership.annotations, lead=self._lead, lost=self._lost
        )
        self.election.start()
        self._schedule()
        self.background.forever(self.parts.clock.start(), "clock")

    def _schedule(self) -> None:
        """What is done again and again; all but reading the log and the surroundings by the leader only."""
        clock, settings = self.parts.clock, self.settings
        round_, follow = settings.duration(settings.round_seconds), settings.duration(settings.follow_seconds)
        clock.every("answers", follow, self._answers)
        clock.every("round", round_, self._leading(self._round))
        if self.demand is not None:
            soon = min(round_, timedelta(seconds=settings.demand_seconds))
            clock.every("demand", soon, self._leading(self._demand_round))
        clock.every("publish", follow, self._leading(self.publisher.deliver))
        clock.every("scaling", min(round_, SCALING), self._leading(self.scaling.round))
        clock.every("statuses", round_, self._leading(self.statuses.round))
        clock.every("report", weekly.OFTEN, self._leading(self.publisher.weekly.round))
        clock.every("surroundings", timedelta(minutes=1), self.surroundings.refresh)
        clock.every("head", timedelta(minutes=5), self._leading(self._head))
        clock.every("mirror", timedelta(seconds=settings.renew_seconds), self._leading(self._mirror))

    async def _stop(self) -> None:
        """Give the lease back last, after nothing of ours can write any more. Work under way gets a second, then is
        cut off: a crash is safe anyway.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.parts.clock.close()
        await self.reconciler.stop(PATIENCE)
        if self.election is not None:
            await self.election.stop()
        await self.background.stop()
        self.workers.close()

    # What it observes with

    def _consents(self, registry: Registry) -> Consents:
        policies = self.cache.shelf(SERVICE_POLICY)
        return Consents(
            self.settings,
            lambda kind: self.cache.shelf(kind).objects.values(),
            registry,
            self.parts.runbooks,
            known=lambda: policies.synced,
            within=policies.within,
        )

    def _rooms(self, registry: Registry) -> Rooms:
        settings, parts = self.settings, self.parts
        return Rooms(
            settings=settings,
            cluster=parts.cluster,
            resources=parts.resources,
            access=parts.access,
            journal=self.journal,
            history=self.history,
            consents=self.consents,
            sight=self.sight,
            demand=self.demand,
            arms=Arms(
                parts.metrics,
                self.workers,
                timedelta(seconds=settings.scrape_interval),
                of_twins(settings.prometheus_replica_labels),
            ),
            passes=Passes(parts.resources),
            registry=registry,
            clock=parts.clock,
            store_trusted=lambda: self.leadership.epoch is not None and not self.leadership.distrusted,
            protected=lambda: self.surroundings.protected,
        )

    def _fleet(self) -> Fleet | None:
        metrics, settings = self.parts.metrics, self.settings
        if metrics is None:
            return None
        scrape = timedelta(seconds=settings.scrape_interval)
        return Fleet(metrics, self.workers, Grid.over(timedelta(seconds=settings.baseline_seconds), scrape))

    def _demand(self) -> Demand | None:
        metrics = self.parts.metrics
        if metrics is None:
            return None
        return Demand(self.settings, self.cache, self.consents, self.sight.known, metrics, self.workers)

    # Leading

    async def _lead(self, annotations: Mapping[str, str]) -> None:
        """Begin to lead, as long as the lease is ours: a store that is away is waited for."""
        async with self._turn:
            if self._stopping is not None:
                await asyncio.gather(self._stopping, return_exceptions=True)
            await self.background.insist(
                partial(self._begin, annotations),
                "cannot lead yet",
                wanted=lambda: self.election is None or self.election.leading,
                forgives=Exception,
            )

    async def _begin(self, annotations: Mapping[str, str]) -> None:
        """Take the epoch, read the whole log, then work; nothing of it when any of it fails."""
        try:
            await self.leadership.take(annotations)
            await self.journal.catch_up()
            await self.surroundings.refresh()
            await self._note("leading", f"{self.identity} leads, epoch {self.leadership.epoch}")
            if self.leadership.distrusted:
                await self._page("store-distrusted", self.leadership.distrusted, self.leadership.distrusted)
            elif annotations.get(FOUND):
                await self._page("store-trusted", "the store that the Lease remembers is back")
        except BaseException:
            self.leadership.drop()
            raise
        self.reconciler.start()
        self.leads.set()
        self._wake()
        for item in tuple(self.cache.shelf(REMEDIATION).objects.values()):
            self.hearing.notice(item)

    async def _lost(self) -> None:
        """Another may lead: stop everything of the leader. What it still tries to record is refused from here on."""
        self.leadership.drop()
        self.leads.clear()
        async with self._turn:
            if self.leadership.epoch is None and not self.reconciler.working:
                return
            log.warning("leadership lost", identity=self.identity)
            self.leadership.drop()
            self.leads.clear()
            self.hearing.forget()
            self._stopping = self.background.later(self.reconciler.stop(0.0), "stopping")

    def _epoch(self) -> int:
        """The leader's epoch, or one that every store refuses."""
        return self.leadership.epoch if self.leadership.epoch is not None else -1

    def _leading(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            if self.leadership.epoch is None:
                return
            try:
                await work()
            except Replaced as error:
                log.warning("replaced", epoch=str(error))
                await self._lost()

        return run

    async def _round(self) -> None:
        """Ask Prometheus for the fleet, then look at every workload, whatever came of the asking: numbers that are
        not asked for grow old, and say so.
        """
        try:
            await self.sight.round(self.parts.clock.now())
        except Exception:
            log.exception("fleet not asked")
        await self.rollouts.round()
        self._wake()

    async def _demand_round(self) -> None:
        """Ask for the load, forecast, size the floors; looked after often so that the first time is soon."""
        now = self.parts.clock.now()
        if self.demand is not None and self.demand.due(now):
            await self.demand.round(now)

    def _wake(self) -> None:
        """Every workload that is there, and those whose incident outlived them."""
        opened = [self.history.opened(f"incident:{incident}") for incident in self.history.open.values()]
        opened += [first for several in self.history.unfinished.values() for first in several]
        for workload in {*self.cache.workloads(), *(first.workload for first in opened if first is not None)}:
            self.queue.add(workload)

    async def _mirror(self) -> None:
        """Bring what the Lease remembers up to date; not before whoever was paged is told: it forgets that then."""
        if self.election is None or not self.leads.is_set():
            return
        seen = self.election.seen
        if await self.leadership.adopted(seen):
            await self._page("store-adopted", "a person adopted the store")
        await self.leadership.refresh(seen)

    async def _head(self) -> None:
        """Say the log's head where logs are kept, so that a rewritten log can be told (S34)."""
        found = await self.parts.store.identity()
        log.info("audit head", store=found.id, sequence=found.sequence, head=found.head)

    async def _note(self, code: str, text: str, *outbox: OutboxRow) -> bool:
        now = self.parts.clock.now()
        noted = await self.journal.note("program", Noted(now, code, text, self.identity), now, outbox=outbox)
        if not noted:
            log.warning("not noted", code=code, text=text)
        return noted

    async def _page(self, code: str, text: str, distrusted: str = "") -> None:
        """Tell the pager that the store is not trusted; empty: that it is again. Raises Behind when that could not be
        noted: whoever asks tries again.
        """
        row = OutboxRow(STORE, f"{self.leadership.epoch}/{distrusted[:60]}", {"distrusted": distrusted})
        if not await self._note(code, text, row):
            raise Behind("program")

    # Noticing

    def _changed(self, kind: ResourceKind, item: Mapping[str, Any]) -> None:
        """An object came, changed or went: look at its workload; a Remediation may carry an answer."""
        if kind is REMEDIATION:
            self.hearing.notice(item)
            return
        workload = self.cache.owner_of(kind, item) if kind in (*WORKLOADS, REPLICA_SETS, PODS) else None
        if workload is not None and self.leadership.epoch is not None:
            self.queue.add(workload)

    async def _answers(self) -> None:
        """Read the log on, on every replica; the leader wakes the workloads whose incidents grew, whoever recorded
        it.
        """
        try:
            grown = await self.journal.catch_up()
        except TrimtabError as error:
            log.warning("log not read", error=str(error))
            return
        for stream in grown if self.leadership.epoch is not None else ():
            opened = self.history.opened(stream)
            if opened is not None:
                self.queue.add(opened.workload)

    async def quiet(self) -> None:
        """Wait until nothing is under way but what waits on the clock: no workload is looked at or due, no answer is
        being taken in. Jobs are the clock's own, watches the cluster's.
        """
        while (busy := self.background.busy) or not self.queue.idle:
            await self.queue.drained()
            if busy:
                await asyncio.wait(busy)

    def alerted(self, alerts: Iterable[Alert]) -> None:
        """Alerts by webhook."""
        for workload in self.sight.told(alerts, self.parts.clock.now()):
            self.queue.add(workload)

    def _approvers(self, incident: Incident) -> frozenset[str]:
        return self.consents.of(incident.workload, self.sight.labels(incident.workload)).policy.approvers

    async def _chat(self, chat: Chat) -> None:
        """Connect, and try again when the chat is not there; everything else goes on without it."""
        await self.background.insist(partial(chat.start, self.clicked), "chat not connected", longest=60.0)

    # Standing

    def unready(self, now: datetime) -> tuple[str, ...]:
        """Why this replica is not ready; none when it is."""
        found = []
        if self.cache.trouble:
            found.append(f"watches: {self.cache.trouble}")
        if self.pulse.too_late:
            found.append(f"event loop late by {self.pulse.seconds:.1f} s")
        return tuple(found)
