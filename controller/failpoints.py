"""Failpoints: named places where a test may kill, stop, delay or break the process.

One stands before and after every call that changes something outside, so that the crash matrix can visit each of them.
They do nothing unless `TRIMTAB_FAILPOINTS=1` *and* `TRIMTAB_FAILPOINT` names one:

    TRIMTAB_FAILPOINT=cluster.apply.before=kill        SIGKILL to this process
    TRIMTAB_FAILPOINT=cluster.apply.after=stop         SIGSTOP to this process, goes on at SIGCONT
    TRIMTAB_FAILPOINT=cluster.apply.before=sleep:2.5   wait
    TRIMTAB_FAILPOINT=store.commit.after=raise@3       raise `Injected`, at the third visit
    TRIMTAB_FAILPOINT=store.commit.after/claimed=kill  only where the commit is of exactly these events
    TRIMTAB_FAILPOINT=*=log                            only write every visit to the log

`TRIMTAB_FAILPOINT_LOG` names a file that gets one line per hit, synced to disk before the action. `KNOWN` lists every
name; a test compares it with the code.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from controller.errors import BadSettings, TrimtabError

CALLS: tuple[str, ...] = (
    "cluster.apply",
    "cluster.fence",
    "cluster.release",
    "leases.create",
    "leases.replace",
    "resources.create",
    "resources.patch",
    "resources.patch_status",
    "resources.delete",
    "resources.record",
    "chat.post",
    "chat.update",
    "notify.send",
    "store.commit",
    "store.delivered",
    "store.postpone",
    "store.next_number",
    "store.advance_epoch",
    "store.adopt",
)
"""Every call that changes something outside. A new one is added here, with its two failpoints in the code."""

KNOWN: frozenset[str] = frozenset(f"{call}.{side}" for call in CALLS for side in ("before", "after"))
"""Every failpoint there is: what the crash matrix visits."""

Action: TypeAlias = Literal["kill", "stop", "sleep", "raise", "log"]


class Injected(TrimtabError):
    """A failpoint raised on purpose."""


@dataclass(frozen=True, slots=True)
class Armed:
    """One failpoint that is to do something: at its `nth` visit, or at each when None; `about` narrows it."""

    name: str
    action: Action
    seconds: float = 0.0
    nth: int | None = None
    about: str = ""

    def concerns(self, name: str, about: str) -> bool:
        """Whether a visit of `name` counts."""
        return self.name in {name, "*"} and self.about in {"", about}


_visits: Counter[str] = Counter()


async def failpoint(name: str, about: str = "") -> None:
    """Pass by, unless the environment has armed this name. `about` says more closely what is going on."""
    if os.environ.get("TRIMTAB_FAILPOINTS") != "1":
        return
    armed = armed_by(os.environ)
    if armed is None or not armed.concerns(name, about):
        return
    place = f"{name}/{about}" if about else name
    counted = place if armed.about or armed.name == "*" else name
    _visits[counted] += 1
    if armed.nth in {None, _visits[counted]}:
        _log(os.environ.get("TRIMTAB_FAILPOINT_LOG", ""), f"{place} {armed.action} {_visits[counted]} {os.getpid()}\n")
        await _strike(name, armed)


@asynccontextmanager
async def around(call: str, *, effect: bool = True) -> AsyncIterator[None]:
    """Failpoints `call.before` and `call.after` around one call; the second is visited however the call ends.

    A rehearsal (`effect=False`) changes nothing and visits none.
    """
    if not effect:
        yield
        return
    await failpoint(f"{call}.before")
    try:
        yield
    finally:
        await failpoint(f"{call}.after")


def armed_by(environment: Mapping[str, str]) -> Armed | None:
    """Read `TRIMTAB_FAILPOINT`; raises `BadSettings` for a name or an action that does not exist."""
    text = environment.get("TRIMTAB_FAILPOINT", "")
    if not text:
        return None
    place, _, rest = text.rpartition("=")
    name, _, about = place.partition("/")
    what, _, nth = rest.partition("@")
    action, _, seconds = what.partition(":")
    if name != "*" and name not in KNOWN:
        raise BadSettings(f"TRIMTAB_FAILPOINT names {name!r}, which does not exist", f"Use one of {sorted(KNOWN)}.")
    try:
        return Armed(name, _action(action), float(seconds or 0), int(nth) if nth else None, about)
    except ValueError as cause:
        raise BadSettings(
            f"TRIMTAB_FAILPOINT asks for {rest!r} at {name}",
            "Use kill, stop, sleep:SECONDS, raise or log, with @N for the Nth visit.",
        ) from cause


def _action(text: str) -> Action:
    for action in get_args(Action):
        if text == action:
            return action  # type: ignore[no-any-return]  # get_args has no type of its own
    raise ValueError(text)


def _log(path: str, line: str) -> None:
    if not path:
        return
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


async def _strike(name: str, armed: Armed) -> None:
    match armed.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            await asyncio.sleep(armed.seconds)
        case "raise":
            raise Injected(f"Failpoint {name} was told to fail", "Unset TRIMTAB_FAILPOINT.")
        case "log":
            return
