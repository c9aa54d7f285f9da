"""`trimtab audit verify`: the hash chain recomputed over every event, and held against the head in the Lease."""

from __future__ import annotations

from controller.app import open_leases
from controller.cli.exits import Exit
from controller.cli.screen import Format, Screen
from controller.cli.stories import Reading
from controller.core.words import count
from controller.errors import TrimtabError
from controller.runtime.leadership import read_mirror
from controller.settings import Settings


async def verify(screen: Screen, settings: Settings, head: str) -> Exit:
    """Whether anything was edited, deleted, reordered or cut."""
    remembered, unread = (head, "") if head else await _remembered(settings)
    async with Reading(settings, "audit verify") as store:
        report = await store.verify(remembered or None)
    against = (
        "the head you gave" if head else "the head in the Lease" if remembered else f"no head from elsewhere ({unread})"
    )
    if screen.format is Format.JSON:
        screen.json(
            {"events": report.events, "head": report.head, "faults": list(report.faults), "held_against": against}
        )
        return Exit.FAILED if report.faults else Exit.OK
    for fault in report.faults:
        screen.marked("✖", fault, "red")
    if not report.faults:
        screen.marked("✔", f"{count(report.events, 'event')}, unbroken, held against {against}", "green")
        if not remembered:
            screen.marked(
                "!", "only a head kept elsewhere finds a log that was rewritten from its first event", "yellow"
            )
    screen.text(f"  head {report.head or '(empty log)'}")
    return Exit.FAILED if report.faults else Exit.OK


async def _remembered(settings: Settings) -> tuple[str, str]:
    """The head that the Lease remembers, or why there is none."""
    try:
        leases = await open_leases(settings)
        try:
            lease = await leases.read()
        finally:
            await leases.close()
    except TrimtabError as error:
        return "", f"the Lease cannot be read: {error.args[0]}"
    mirror = read_mirror(lease.annotations if lease is not None else {})
    return mirror.head, "" if mirror.head else "the Lease holds none"
