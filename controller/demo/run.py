"""One run of the demo: the program on the fleet, its page, its narrator, and whoever answers.

Promises that the page stands before anything is told, that a question is answered by the lab's person alone, and that
nothing is left running when it returns, however it ends.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from controller.core.events import Verdict
from controller.core.incident import fold
from controller.core.message import message
from controller.demo.asking import Answering
from controller.demo.audience import Audience, Place
from controller.demo.playing import Playing, Suppress, nothing, open_lab
from controller.demo.reading import streams_of
from controller.demo.result import Cost, Result
from controller.demo.settings import KEY_FILE, STORE, YOU, lab_settings
from controller.demo.stories import BEGIN, LASTS, Morning
from controller.demo.telling import Narrator
from controller.errors import BadSettings
from controller.journal import stream_of
from controller.ports import Stored
from controller.serving.backend import ProgramBackend
from controller.serving.http import bound, serve
from controller.web.app import create_app
from controller.web.options import Options
from controller.web.tickets import Tickets

HOST, PORT = "127.0.0.1", 8080
ANOTHER = "name another port with --port, or none: then one is found"
EACH = timedelta(seconds=5)
"""How often the log is looked at for something to tell, in the lab's time."""
GLANCE = 0.1
"""Seconds between two looks at whether somebody is asked, or has answered, in real time."""
FOREVER = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How it is to be played. `scenario` None: the shipped one. `port` None: the usual one, another when it is taken.
    `pace` None: as fast as it goes. `keep` is a folder that keeps the log; None: it goes with the demo.
    """

    seed: int = 7
    scenario: Path | None = None
    until_done: bool = False
    approve_all: bool = False
    port: int | None = None
    pace: float | None = None
    suppress: Suppress = nothing
    keep: Path | None = None


async def play(wishes: Wishes, audience: Audience, stop: asyncio.Event) -> Result | None:
    """Play it to its end; None when it was stopped before. Raises BadScenario, BadSettings when the port asked for is
    taken or no folder can be had, and whatever broke the program or the asking.
    """
    morning = Morning.shipped() if wishes.scenario is None else Morning.of(wishes.scenario)
    token = secrets.token_urlsafe(32)
    with (
        bound_to(wishes.port) as listening,
        folder_for(wishes.keep) as folder,
        written(folder / KEY_FILE, token) as path,
    ):
        port = listening.getsockname()[1]
        settings = lab_settings(folder, morning.namespaces, f"http://{HOST}:{port}")
        lab = open_lab(
            settings,
            morning.scenario,
            wishes.seed,
            BEGIN,
            policies=morning.policies,
            people=[YOU],
            tokens={token: YOU},
            swallow=wishes.suppress,
            pace=wishes.pace,
            stopped=stop,
        )
        async with lab as playing, page(playing, listening, wishes.port is None and port != PORT, path) as place:
            return await Show(playing, audience, wishes, morning, place, stop).through()


@contextmanager
def folder_for(keep: Path | None) -> Iterator[Path]:
    """Where the store is: a folder that is kept and holds none yet, or one that goes. Raises BadSettings."""
    if keep is None:
        with passing() as folder:
            yield Path(folder)
        return
    if (keep / STORE).exists():
        raise BadSettings(
            f"{keep / STORE} is there already, and the demo begins with an empty log", "name another folder"
        )
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(f"{keep} cannot be made: {error.strerror or error}", "name another folder") from error
    yield keep


@contextmanager
def written(path: Path, token: str) -> Iterator[Path]:
    """A token in a file that nobody else can read, as long as the block. Raises BadSettings."""
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token)
    except OSError as error:
        raise BadSettings(f"{path} cannot be written: {error.strerror or error}", "name another folder") from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def passing() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with the demo. Raises BadSettings."""
    try:
        return tempfile.TemporaryDirectory(prefix="trimtab-demo-")
    except OSError as error:
        raise BadSettings(
            f"no folder can be made for the log: {error.strerror or error}", "set TMPDIR to one with room"
        ) from error


def bound_to(port: int | None, usual: int = PORT) -> socket.socket:
    """The page's socket: the port asked for, else the usual one, else any. Raises BadSettings."""
    if port is not None:
        return bound(HOST, port, ANOTHER)
    try:
        return bound(HOST, usual)
    except BadSettings:
        return bound(HOST, 0)


@asynccontextmanager
async def page(playing: Playing, listening: socket.socket, moved: bool, token: Path) -> AsyncIterator[Place]:
    """The page over the program, until the block ends."""
    stop, tickets = asyncio.Event(), Tickets()
    app = create_app(ProgramBackend(playing.program, stop), replace(Options(), tickets=tickets))
    serving = asyncio.create_task(serve(app, listening, stop), name="page")
    host, port = listening.getsockname()[:2]
    try:
        yield Place(f"http://{host}:{port}", moved, tickets, token)
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await serving


@dataclass(slots=True)
class Show:
    """A run under way."""

    playing: Playing
    audience: Audience
    wishes: Wishes
    morning: Morning
    place: Place
    stop: asyncio.Event
    log: list[Stored] = field(default_factory=list)
    narrator: Narrator = field(default_factory=Narrator)
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def through(self) -> Result | None:
        """From the opening to the end; the page and the fleet live on until `stop` unless it is wished otherwise."""
        if self.stop.is_set():
            return None
        self.narrator.faults = [
            (BEGIN + timedelta(seconds=fault.at), fault) for fault in self.playing.lab.scenario.faults
        ]
        clock, answering = self.playing.clock, Answering(self.playing.program)
        if self.wishes.approve_all:
            clock.attended = lambda: False
            clock.every("approve", EACH, lambda: self.approve(answering))
        clock.every("tell", EACH, self.tell)
        self.audience.opens(self.place, self.morning)
        asking = asyncio.create_task(self.ask(answering), name="asking")

        def over() -> bool:
            return self.stop.is_set() or asking.done()

        try:
            await clock.run(BEGIN + LASTS, over)
            if over():
                return None
            await self.tell()
            result = self.result()
            self.audience.ends(result)
            if not self.wishes.until_done:
                self.audience.stays(self.place)
                clock.attended = lambda: True
                await clock.run(BEGIN + FOREVER, over)
            return result
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    async def tell(self) -> None:
        """What is new since the last time, once: the clock calls this, and so does a question that is put."""
        program = self.playing.program
        async with self.telling:
            now = self.playing.clock.now()
            told = self.log[-1].sequence if self.log else 0
            fresh = await program.parts.store.follow(told) if program.history.sequence > told else ()
            self.log += fresh
            for line in self.narrator.lines(fresh, now):
                self.audience.tells(line)
            self.audience.moves(now)

    async def approve(self, answering: Answering) -> None:
        """Say yes to whatever is asked."""
        for incident, question in self.playing.asking.items():
            await answering.answer(incident, question.digest, Verdict.APPROVE)

    async def ask(self, answering: Answering) -> None:
        """Put open questions to whoever watches, one after the other, and take the answer to the door: it is about the
        plan that was shown and no other, and a question about another plan is put anew.
        """
        shown: tuple[str, str] | None = None
        while True:
            await asyncio.sleep(GLANCE)
            if shown is not None:  # an answer on the page is in the log, and to be heard at once
                await self.playing.program.journal.catch_up()
            asking = {} if self.wishes.approve_all else self.playing.asking
            open_now = [(incident, question.digest) for incident, question in asking.items()]
            if shown is not None and shown not in open_now:
                shown = None
                self.audience.answered()
            if shown is None and open_now:
                shown = await self.put(open_now[0][0])
            verdict = self.audience.heard()
            if shown is not None and verdict is not None:
                self.audience.replies(await answering.answer(*shown, verdict))

    async def put(self, incident: str) -> tuple[str, str] | None:
        """Show the open question of an incident, and where it stands on the page; the incident and the digest of the
        plan that was shown, None when nothing is asked any more.
        """
        await self.tell()
        program = self.playing.program
        numbered = [(one.number, one.event) for one in await program.parts.store.read(stream_of(incident))]
        loaded = fold(numbered)
        question, proposal = (loaded.question, loaded.proposal) if loaded is not None else (None, None)
        if loaded is None or question is None or not question.open:
            return None
        if proposal is None or proposal.plan.digest != question.digest:  # about to be asked anew
            return None
        told = message(numbered, await ProgramBackend(program, self.stop).background(loaded))
        if told is None:
            return None
        self.audience.asks(told, self.place.link(f"/incidents/{incident}"))
        return incident, question.digest

    def result(self) -> Result:
        """What it came to, by the log and by the two fleets."""
        streams = streams_of(self.log)
        endings = self.morning.told(streams)
        lab, twin = self.playing.lab, self.playing.twin
        return Result(endings, Cost.of(lab), Cost.of(twin), len(self.log), self.wishes.seed)
