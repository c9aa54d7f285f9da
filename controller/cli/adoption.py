"""`trimtab store adopt`: a person says that the store which the leader found is the one that counts (S37)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from controller.app import open_leases
from controller.cli.exits import Exit
from controller.cli.screen import Ended, Format, Screen
from controller.cli.setup import in_pod
from controller.errors import Forbidden
from controller.ports import Leases, LeaseState
from controller.runtime.leadership import ADOPT, FOUND, read_mirror
from controller.settings import Settings

ATTEMPTS = 10
TAKEN_IN_WITHIN = 15.0


async def adopt(screen: Screen, settings: Settings) -> Exit:
    """Show what the Lease remembers and what was found, ask, and write the annotation that the leader waits for."""
    leases = await open_leases(settings)
    try:
        state = await _read(leases, settings)
        found = state.annotations.get(FOUND, "")
        if not found:
            raise Ended("the leader trusts its database: there is nothing to adopt", Exit.FAILED)
        mirror = read_mirror(state.annotations)
        screen.note(f"the Lease remembers  store {mirror.store[:8]}, {mirror.sequence} events, epoch {mirror.epoch}")
        screen.note(f"the leader found     store {found[:8]}")
        screen.note("The log, the record and the open questions of the other one do not come along.")
        screen.note("If you can bring the other one back, do that instead.")
        screen.ask(f"Let trimtab act on store {found[:8]} from now on?")
        await _write(leases, settings, found)
        taken = await _taken_in(leases, settings)
    finally:
        await leases.close()
    if screen.format is Format.JSON:
        screen.json({"adopted": found, "taken_in": taken})
    elif taken:
        screen.marked("✔", f"store {found[:8]} is adopted", "green")
    if not taken:
        screen.problem(f"written, but the leader has not taken it in yet → {in_pod(settings, 'doctor')}")
    return Exit.OK if taken else Exit.DEGRADED


async def _read(leases: Leases, settings: Settings) -> LeaseState:
    place = f"Lease {settings.namespace}/{settings.lease_name}"
    try:
        state = await leases.read()
    except Forbidden as error:
        raise Ended(f"you lack the right to get the {place}", Exit.DENIED) from error
    if state is None:
        raise Ended(
            f"there is no {place}: trimtab has never led here → TRIMTAB_NAMESPACE, TRIMTAB_LEASE_NAME", Exit.NOT_FOUND
        )
    return state


async def _write(leases: Leases, settings: Settings, found: str) -> None:
    for _ in range(ATTEMPTS):
        state = await _read(leases, settings)
        if state.annotations.get(FOUND) != found:
            raise Ended("the leader has found another store meanwhile: nothing was written", Exit.FAILED)
        try:
            written = await leases.write(replace(state, annotations={**state.annotations, ADOPT: found}))
        except Forbidden as error:
            raise Ended(
                f"you lack the right to update the Lease {settings.namespace}/{settings.lease_name}", Exit.DENIED
            ) from error
        if written is not None:
            return
    raise Ended("the Lease changed each time it was to be written → try again", Exit.FAILED)


async def _taken_in(leases: Leases, settings: Settings) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + TAKEN_IN_WITHIN
    while loop.time() < until:
        if not (await _read(leases, settings)).annotations.get(FOUND):
            return True
        await asyncio.sleep(0.5)
    return False
