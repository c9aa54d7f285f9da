"""The program on a lab: the shipped composition with another set of adapters.

Nothing of the program is replaced: watches, queue, lease, loops, gate, executor, store and page are those that run in a
cluster. A twin of the fleet, with the same seed, load and faults, gets every write but the floors, so that what the
floors were worth can be told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from controller.adapters.lab.clock import LabClock
from controller.adapters.lab.cluster import LabCluster, Suppress, nothing
from controller.adapters.lab.metrics import LabMetrics
from controller.adapters.memory.access import Grant, MemoryAccess
from controller.adapters.memory.leases import MemoryLease, MemoryLeases
from controller.adapters.memory.resources import MemoryResources
from controller.adapters.memory.watch import MemoryWatch
from controller.api.rights import CLUSTER, OBSERVE, Rule, acting_rules
from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE, REMEDIATION, SERVICE_POLICY
from controller.app import open_store
from controller.core.incident import Question, fold
from controller.core.reading import Trust
from controller.errors import Denied, StoreUnavailable
from controller.journal import stream_of
from controller.lab.apiserver import MemoryObjects
from controller.lab.lab import Lab
from controller.lab.scenario import Scenario
from controller.observe.fleet import Grid
from controller.ports import Person
from controller.program import Parts, Program
from controller.settings import Settings
from remediations.fields import OURS
from remediations.plan import Step
from remediations.registry import installed
from runbooks.load import library

__all__ = ["Playing", "Suppress", "asking", "nothing", "only_in_the_lab", "open_lab"]

LEADERLESS = 1.0
"""Real seconds that each step of the lab's time takes at least while nobody leads."""
PATIENCE = 30.0
"""Real seconds in which the program has to lead."""


@dataclass(frozen=True, slots=True)
class Playing:
    """A program that leads on a lab. `clock.run` lets time pass; `twin` is the fleet that was given no floor."""

    program: Program
    clock: LabClock
    lab: Lab
    twin: Lab

    @property
    def asking(self) -> Mapping[str, Question]:
        """The questions that wait for a person, by incident."""
        return asking(self.program)


@asynccontextmanager
async def open_lab(
    settings: Settings,
    scenario: Scenario,
    seed: int,
    begin: datetime,
    *,
    policies: Iterable[Mapping[str, Any]] = (),
    people: Iterable[Person] = (),
    tokens: Mapping[str, Person] = MappingProxyType({}),
    swallow: Suppress = nothing,
    pace: float | None = None,
    stopped: asyncio.Event | None = None,
    patience: float = PATIENCE,
) -> AsyncIterator[Playing]:
    """The program over this scenario, in one process, until the block ends; it leads, and time stands still.

    `policies` are ServicePolicies, `people` may answer questions and show these `tokens`, `swallow` says which writes
    never reach the fleet.
    When `stopped` is set the block begins whether it leads or not. Raises StoreUnavailable when it does not lead
    within `patience` seconds of real time, and what broke the program before.
    """
    objects = MemoryObjects()
    lab, twin = Lab(scenario, seed, begin, objects), Lab(scenario, seed, begin, MemoryObjects())
    for policy in policies:
        objects.add(SERVICE_POLICY, policy)
    clock, watch, access = LabClock(begin, both(lab, twin), pace=pace), MemoryWatch(objects), MemoryAccess()
    rights(access, settings.act_namespaces, people)
    for token, person in tokens.items():
        access.know(token, person)
    lease = MemoryLease()

    async def leases() -> MemoryLeases:
        return MemoryLeases(lease)

    async with open_store(settings) as store:
        program = Program(
            settings,
            Parts(
                store=store,
                clock=clock,
                cluster=LabCluster(lab, suppress=swallow, mirror=mirrored(twin)),
                watch=watch,
                leases=leases,
                resources=MemoryResources(objects, clock.now),
                access=access,
                metrics=LabMetrics(lab, trust(settings)),
            ),
        )
        clock.quiet, clock.attended = quiet(watch, program), lambda: bool(asking(program))
        stop = asyncio.Event()
        running = asyncio.create_task(program.run(stop), name="program")
        try:
            await led(program, clock, running, stopped or asyncio.Event(), patience)
            yield Playing(program, clock, lab, twin)
        finally:
            stop.set()
            await running


async def led(
    program: Program, clock: LabClock, running: asyncio.Task[None], stopped: asyncio.Event, patience: float
) -> None:
    """Wait until the program leads or is not wanted any more; what keeps it from that is tried again in the lab's time,
    which goes on meanwhile.
    """
    leading, unwanted = (asyncio.create_task(event.wait()) for event in (program.leads, stopped))
    awaited: set[asyncio.Task[Any]] = {leading, unwanted, running}
    try:
        async with asyncio.timeout(patience):
            while not (await asyncio.wait(awaited, timeout=LEADERLESS, return_when=asyncio.FIRST_COMPLETED))[0]:
                await clock.advance(timedelta(seconds=LEADERLESS))
    except TimeoutError as error:
        message = f"trimtab did not come to lead its lab within {patience:g} s"
        raise StoreUnavailable(message, "look whether the disk of its store is full (TMPDIR names another)") from error
    finally:
        leading.cancel()
        unwanted.cancel()
    if running.done():
        await running


def only_in_the_lab(program: Program) -> None:
    """Raise Denied unless the program's cluster is a lab."""
    if not isinstance(program.parts.cluster, LabCluster):
        raise Denied("this answers in the lab only, where nobody is harmed", "answer each question yourself")


def both(*labs: Lab) -> Callable[[datetime], None]:
    """Move every fleet."""

    def move(at: datetime) -> None:
        for lab in labs:
            lab.advance(at)

    return move


def mirrored(twin: Lab) -> Callable[[Step], None]:
    """Make every write in the twin too, but those that hold a field."""

    def write(step: Step) -> None:
        if step.holding is None:
            twin.act_as(OURS, step.workload, *step.patch)

    return write


def quiet(watch: MemoryWatch, program: Program) -> Callable[[], Any]:
    """Wait until every watch has been heard and nothing is left to do about it. While the program does not lead, as
    after a laptop's sleep, time all but stands still.
    """

    async def settled() -> None:
        if not program.leads.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(program.leads.wait(), LEADERLESS)
        while True:
            await watch.caught_up()
            await program.quiet()
            if not watch.behind:
                return

    return settled


def asking(program: Program) -> dict[str, Question]:
    """Open questions by incident, as far as the log was read."""
    streams, names = program.history.streams, sorted(set(program.history.open.values()))
    folded = (fold(enumerate(streams.get(stream_of(name), ()), start=1)) for name in names)
    found = ((one.id, one.question) for one in folded if one is not None)
    return {incident: question for incident, question in found if question is not None and question.open}


def trust(settings: Settings) -> Trust:
    """What an answer must be to be believed, as for a real server."""
    scrape = timedelta(seconds=settings.scrape_interval)
    grid = Grid.over(timedelta(seconds=settings.baseline_seconds), scrape)
    return Trust(scrape_interval=scrape, look_back=grid.window)


def rights(access: MemoryAccess, namespaces: Iterable[str], people: Iterable[Person]) -> None:
    """Give the program the rights that its chart gives it, and people the right to answer and to pause."""
    for rule in (*OBSERVE, *CLUSTER):
        granted(access, rule, None)
    for namespace in namespaces:
        for rule in acting_rules(library(), installed()):
            granted(access, rule, namespace)
    for person in people:
        for verb in ("get", "approve"):
            access.grant(Grant(person.name, verb, REMEDIATION.group, REMEDIATION.plural))
        for verb in ("create", "delete"):
            access.grant(Grant(person.name, verb, AUTOMATION_PAUSE.group, AUTOMATION_PAUSE.plural))


def granted(access: MemoryAccess, rule: Rule, namespace: str | None) -> None:
    """One rule, to the program's own account."""
    for resource in rule.resources:
        plural, _, subresource = resource.partition("/")
        for verb in rule.verbs:
            access.grant(Grant("", verb, rule.group, plural, namespace, subresource=subresource))
