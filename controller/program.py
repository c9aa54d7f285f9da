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
from controller.core.events import Noted, Verdict, Via
from controller.core.history import History
from controller.core.incident import Incident
from controller.core.message import Press, parse_value, plan_text
from controller.errors import Retriable, TrimtabError
from controller.journal import Journal, Replaced
from controller.kinds import AUTOSCALERS, PODS, REPLICA_SETS, WORKLOADS
from controller.loops.incidents import Incidents
from controller.loops.rollouts import Rollouts
from controller.loops.scaling import Scaling
from controller.observe.arms import Arms
from controller.observe.cache import Cache
from controller.observe.consent import Consents
from controller.observe.demand import Demand
from controller.observe.fleet import Fleet, Grid
from controller.observe.rooms import Rooms
from controller.observe.sight import Sight
from controller.observe.surroundings import Surroundings
from controller.ports import (
    Access,
    Chat,
    Click,
    Clock,
    Commit,
    Leases,
    Metrics,
    Notify,
    Person,
    ResourceKind,
    Resources,
    Store,
    Watch,
)
from controller.runtime import weekly
from controller.runtime.answers import Door, Reply
from controller.runtime.executor import Executor
from controller.runtime.holder import Holder
from controller.runtime.lag import Pulse
from controller.runtime.leadership import Leadership
from controller.runtime.lease import Election, Terms
from controller.runtime.pausing import pause
from controller.runtime.publish import Publisher
from controller.runtime.queue import KeyedQueue
from controller.runtime.reconcile import Reconciler
from controller.runtime.standing import Statuses
from controller.runtime.workers import Workers
from controller.runtime.written import unheard_decision, unheard_undo, via
from controller.settings import Settings
from detectors.series import Workload
from remediations.cluster import Cluster
from remediations.registry import installed
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
        self.consents = Consents(
            settings,
            lambda kind: self.cache.shelf(kind).objects.values(),
            registry,
            parts.runbooks,
            known=lambda: self.cache.shelf(SERVICE_POLICY).synced,
            within=lambda namespace: self.cache.shelf(SERVICE_POLICY).within(namespace),
        )
        self.workers = Workers(settings.workers)
        self.sight = Sight(settings, self.cache, self.history, self.consents, self._fleet())
        self.demand = self._demand()
        self.surroundings = Surroundings(settings, parts.resources)
        self.rooms = Rooms(
            settings=settings,
            cluster=parts.cluster,
            resources=parts.resources,
            access=parts.access,
            journal=self.journal,
            history=self.history,
            consents=self.consents,
            sight=self.sight,
            demand=self.demand,
            arms=Arms(parts.metrics, self.workers, timedelta(seconds=settings.scrape_interval)),
            registry=registry,
            clock=parts.clock,
            store_trusted=lambda: self.leadership.epoch is not None and not self.leadership.distrusted,
            protected=lambda: self.surroundings.protected,
        )
        self.door = Door(self.journal, self._approvers)
        self.publisher = Publisher(
            self.rooms, parts.chat, settings.slack_channel, parts.notifiers, settings.public_url.rstrip("/")
        )
        self.scaling = Scaling(self.rooms, self.cache, Holder(self.rooms, self._epoch))
        self.statuses = Statuses(self.rooms, self.cache, self.scaling.said)
        self.pulse = Pulse()
        executor = Executor(self.rooms, self._epoch)
        self.rollouts = Rollouts(self.rooms, self.cache, self.rooms.arms)
        self.reconciler = Reconciler(Incidents(self.rooms, executor), self.queue, self._lost)
        self.election: Election | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()
        self._pausing: set[asyncio.Task[Any] | None] = set()
        self._heard: set[tuple[str, str, str]] = set()
        self._turn = asyncio.Lock()
        self._stopping: asyncio.Task[None] | None = None
        self.chat_trouble = ""
        self.leads = asyncio.Event()

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
                self._spawn(self.cache.follow(self.parts.watch, kind, namespace), f"watch-{kind.plural}")
        self._spawn(self.pulse.beat(), "pulse")
        if self.parts.chat is not None:
            self._spawn(self._chat(), "chat")
        terms = Terms(self.identity, self.settings.lease_seconds, self.settings.renew_seconds)
        self.election = Election(
            self.parts.leases, terms, self.leadership.annotations, lead=self._lead, lost=self._lost
        )
        self.election.start()
        clock, settings = self.parts.clock, self.settings
        round_, follow = settings.duration(settings.round_seconds), settings.duration(settings.follow_seconds)
        clock.every("answers", follow, self._answers)
        clock.every("round", round_, self._leading(self._round))
        if self.demand is not None:
            soon = min(round_, timedelta(seconds=self.settings.demand_seconds))
            clock.every("demand", soon, self._leading(self._demand_round))
        clock.every("publish", follow, self._leading(self.publisher.deliver))
        clock.every("scaling", min(round_, SCALING), self._leading(self._scale))
        clock.every("statuses", round_, self._leading(self.statuses.round))
        clock.every("report", weekly.OFTEN, self._leading(self.publisher.weekly.round))
        clock.every("surroundings", timedelta(minutes=1), self.surroundings.refresh)
        clock.every("head", timedelta(minutes=5), self._leading(self._head))
        clock.every("mirror", timedelta(seconds=self.settings.renew_seconds), self._leading(self._mirror))
        self._spawn(clock.start(), "clock")

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
        for task in (*self._tasks, *self._background):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._background, return_exceptions=True)
        self.workers.close()

    def _spawn(self, work: Any, name: str) -> None:
        self._tasks.append(asyncio.create_task(guarded(work, name), name=name))

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
        wait = 1.0
        async with self._turn:
            if self._stopping is not None:
                await asyncio.gather(self._stopping, return_exceptions=True)
            while self.election is None or self.election.leading:
                try:
                    await self._begin(annotations)
                except TrimtabError as error:
                    log.warning("cannot lead yet", error=str(error))
                    self.leadership.drop()
                    await self._pause(wait)
                    wait = min(30.0, 2 * wait)
                else:
                    return

    async def _begin(self, annotations: Mapping[str, str]) -> None:
        """Take the epoch, read the whole log, then work."""
        await self.leadership.take(annotations)
        await self.journal.catch_up()
        await self.surroundings.refresh()
        await self._note("leading", f"{self.identity} leads, epoch {self.leadership.epoch}")
        if self.leadership.distrusted:
            await self._note("store-distrusted", self.leadership.distrusted)
        self.reconciler.start()
        self.leads.set()
        self._wake()
        for item in tuple(self.cache.shelf(REMEDIATION).objects.values()):
            self._changed(REMEDIATION, item)

    async def _lost(self) -> None:
        """Another may lead: stop everything of the leader. What it still tries to record is refused from here on."""
        self.leadership.drop()
        self.leads.clear()
        async with self._turn:
            if self.leadership.epoch is None and not self.reconciler.working:
                return
            log.warning("leadership lost", identity=self.identity)
            self.leadership.drop()
            self._heard.clear()
            self._stopping = asyncio.create_task(self.reconciler.stop(0.0))
            self._background.add(self._stopping)
            self._stopping.add_done_callback(self._background.discard)

    def _epoch(self) -> int:
        """The leader's epoch, or one that every store refuses."""
        return self.leadership.epoch if self.leadership.epoch is not None else -1

    def _leading(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            if self.leadership.epoch is not None:
                await work()

        return run

    async def _round(self) -> None:
        """Ask Prometheus for the fleet, then look at every workload."""
        await self.sight.round(self.parts.clock.now())
        await self.rollouts.round()
        self._wake()

    async def _scale(self) -> None:
        """Look at every floor, unless another leads by now."""
        try:
            await self.scaling.round()
        except Replaced as error:
            log.warning("replaced", epoch=str(error))
            await self._lost()

    async def _demand_round(self) -> None:
        """Ask for the load, forecast, size the floors; looked after often so that the first time is soon."""
        now = self.parts.clock.now()
        if self.demand is not None and self.demand.due(now):
            await self.demand.round(now)

    def _wake(self) -> None:
        """Every workload that is there, and those whose incident outlived them."""
        opened = (self.history.opened(f"incident:{incident}") for incident in self.history.open.values())
        for workload in {*self.cache.workloads(), *(first.workload for first in opened if first is not None)}:
            self.queue.add(workload)

    async def _mirror(self) -> None:
        if self.election is not None and await self.leadership.refresh(self.election.seen):
            await self._note("store-adopted", "a person adopted the store")

    async def _head(self) -> None:
        """Say the log's head where logs are kept, so that a rewritten log can be told (S34)."""
        found = await self.parts.store.identity()
        log.info("audit head", store=found.id, sequence=found.sequence, head=found.head)

    async def _note(self, code: str, text: str) -> None:
        now, store = self.parts.clock.now(), self.parts.store
        stored = await store.read("program")
        last = stored[-1].number if stored else 0
        await store.commit(
            Commit("program", last, (Noted(now, code, text, self.identity),), self.leadership.epoch), now
        )

    # Noticing

    def _changed(self, kind: ResourceKind, item: Mapping[str, Any]) -> None:
        """An object came, changed or went: look at its workload; a Remediation may carry an answer."""
        if kind is REMEDIATION:
            self._written(item)
            return
        workload = self.cache.owner_of(kind, item) if kind in (*WORKLOADS, REPLICA_SETS, PODS) else None
        if workload is not None and self.leadership.epoch is not None:
            self.queue.add(workload)

    def _written(self, item: Mapping[str, Any]) -> None:
        """Hear what people wrote into a Remediation, once."""
        if self.leadership.epoch is None:
            return
        decision, by = unheard_decision(item), unheard_undo(item)
        for what, who in (("decision", str((decision or {}).get("by", ""))), ("undo", by or "")):
            heard = (str(item["metadata"]["uid"]), what, who)
            if not who or heard in self._heard:
                continue
            self._heard.add(heard)
            if what == "undo":
                self._later(self._hear(partial(self._undo, item, who)))
            elif decision is not None:
                self._later(self._hear(partial(self._decision, item, decision)))

    async def _hear(self, work: Callable[[], Awaitable[None]]) -> None:
        """Take in an answer; a store that is away is waited for as long as this replica leads."""
        wait = 1.0
        while self.leadership.epoch is not None:
            try:
                await work()
            except Retriable as error:
                log.warning("answer not taken in yet", error=str(error))
                await self._pause(wait)
                wait = min(30.0, 2 * wait)
            else:
                return

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(guarded(work, "answer", once=True))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

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

    async def _pause(self, seconds: float) -> None:
        """Wait on the clock before trying again; whoever does is quiet meanwhile."""
        task = asyncio.current_task()
        self._pausing.add(task)
        try:
            await self.parts.clock.sleep(timedelta(seconds=seconds))
        finally:
            self._pausing.discard(task)

    async def quiet(self) -> None:
        """Wait until nothing is under way but what waits on the clock: no workload is looked at or due, no answer is
        being taken in. Jobs are the clock's own, watches the cluster's.
        """
        while (busy := self._background - self._pausing) or not self.queue.idle:
            await self.queue.drained()
            if busy:
                await asyncio.wait(busy)

    def alerted(self, alerts: Iterable[Alert]) -> None:
        """Alerts by webhook."""
        for workload in self.sight.told(alerts, self.parts.clock.now()):
            self.queue.add(workload)

    # Answers

    def _approvers(self, incident: Incident) -> frozenset[str]:
        return self.consents.of(incident.workload, self.sight.labels(incident.workload)).policy.approvers

    async def _decision(self, item: Mapping[str, Any], decision: Mapping[str, Any]) -> None:
        """An answer in a Remediation. The admission policy proved the name and the right when it was written."""
        spec = item["spec"]
        reply = await self.door.answer(
            spec["incident"],
            decision["digest"],
            Verdict(decision["verdict"]),
            Person(decision["by"]),
            via(item),
            self.parts.clock.now(),
            reason=decision.get("reason") or "",
        )
        if not reply.counted:
            log.warning("answer does not count", incident=spec["incident"], by=decision["by"], why=reply.sentence)

    async def _undo(self, item: Mapping[str, Any], by: str) -> None:
        """A wish to take it back, in a Remediation; the admission policy proved name and right here too."""
        incident = str(item["spec"]["incident"])
        reply = await self.door.undo(incident, Person(by), via(item), self.parts.clock.now())
        if not reply.counted:
            log.warning("undo does not count", incident=incident, by=by, why=reply.sentence)

    async def clicked(self, click: Click) -> str:
        """A button in the chat; the person is told when it could not be taken in."""
        try:
            return await self._clicked(click)
        except TrimtabError as error:
            log.warning("click not taken in", action=click.action, error=str(error))
            return f"That did not get through, try again in a moment: {error.args[0]}"

    async def _clicked(self, click: Click) -> str:
        name = self.settings.people.slack.get(click.user_id)
        parsed = parse_value(click.value)
        if name is None or parsed is None:
            return "You are not known here: an administrator maps your Slack id to your username (people.slack)."
        person, (incident, digest), now = Person(name), parsed, self.parts.clock.now()
        match click.action:
            case Press.APPROVE | Press.REJECT:
                verdict = Verdict.APPROVE if click.action == Press.APPROVE else Verdict.REJECT
                reply: Reply = await self.door.answer(
                    incident, digest, verdict, person, Via.SLACK, now, reason=click.reason, access=self.parts.access
                )
                return reply.sentence
            case Press.PLAN:
                loaded = await self.journal.load(incident)
                return plan_text(loaded) if loaded is not None else f"There is no incident {incident}."
            case Press.PAUSE:
                return await pause(self.parts.resources, self.parts.access, person, f"paused in Slack at {incident}")
            case _:
                return "That button means nothing (any more)."

    async def _chat(self) -> None:
        """Connect, and try again when the chat is not there; everything else goes on without it."""
        if self.parts.chat is None:
            return
        wait = 1.0
        while True:
            try:
                await self.parts.chat.start(self.clicked)
            except TrimtabError as error:
                self.chat_trouble = str(error)
                log.warning("chat not connected", error=str(error))
                await self._pause(wait)
                wait = min(60.0, 2 * wait)
            else:
                self.chat_trouble = ""
                return

    # Standing

    def unready(self, now: datetime) -> tuple[str, ...]:
        """Why this replica is not ready; none when it is."""
        found = []
        if self.cache.trouble:
            found.append(f"watches: {self.cache.trouble}")
        if self.pulse.too_late:
            found.append(f"event loop late by {self.pulse.seconds:.1f} s")
        return tuple(found)


async def guarded(work: Any, name: str, *, once: bool = False) -> None:
    """Run a task of the program; its errors are logged with its name."""
    with suppress(asyncio.CancelledError):
        try:
            await work
        except TrimtabError as error:
            log.warning("task failed", task=name, error=str(error))
        except Exception:
            log.exception("task broke", task=name, once=once)
