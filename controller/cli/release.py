"""`trimtab release --all`: every floor back to its owner, with the caller's own rights.

Reads nothing but the autoscalers, so it works with program and store gone: what stood there before is written on each.
Whoever runs it while the program holds floors has taken them back: it respects that until the policy changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, assert_never

from controller.app import open_hand
from controller.cli.exits import Exit
from controller.cli.screen import Ended, Format, Screen
from controller.core.words import clean
from controller.errors import Denied, Forbidden
from controller.kinds import AUTOSCALERS
from controller.ports import Resources
from controller.settings import Settings
from remediations.cluster import Applied, Cluster, Conflict, Gone, Refused, Unknown, Unreadable, World
from remediations.floor import address, mark_of, release_of, traces
from remediations.owners import controller_of

ATTEMPTS = 5
"""Conflicts with the autoscaler's own status after which one is given up."""


@dataclass(frozen=True, slots=True)
class Given:
    """What became of one autoscaler; `trouble` is empty when nothing of ours is left on it."""

    name: str
    floor: int | None
    minimum: int | None = None
    trouble: str = ""


async def release(screen: Screen, settings: Settings, namespaces: tuple[str, ...]) -> Exit:
    """List, ask, give back, tell."""
    async with open_hand(settings) as (resources, _, cluster):
        found = [item for place in namespaces or (None,) for item in await marked(resources, place)]
        for item in found:
            screen.note(line(item))
        if found:
            screen.ask(f"Give {len(found)} {'floor' if len(found) == 1 else 'floors'} back?")
        given = [await give_back(cluster, item) for item in found]
    tell(screen, given)
    return Exit.OK if not any(one.trouble for one in given) else Exit.DEGRADED


async def marked(resources: Resources, namespace: str | None) -> list[Mapping[str, Any]]:
    """The autoscalers of a namespace, or of all, that carry anything of a floor."""
    try:
        items = await resources.list(AUTOSCALERS, namespace)
    except Forbidden as error:
        where = f"in {namespace}" if namespace else "in every namespace; name those you may with --namespace"
        raise Ended(f"you lack the right to list horizontalpodautoscalers.autoscaling {where}", Exit.DENIED) from error
    except Denied as error:
        raise Ended(str(error), Exit.DENIED) from error
    return [item for item in items if traces(item)]


def line(item: Mapping[str, Any]) -> str:
    """One floor as it stands."""
    mark, target = mark_of(item), address(item)
    if mark is None:
        return f"{target.namespace}/{target.name}: marks of a floor"
    whom = f" for {clean(mark.for_whom)}" if mark.for_whom else ""
    kept = "" if mark.ours else " (written by somebody else since; that stays)"
    return f"{target.namespace}/{target.name}: {mark.floor} held{whom}, {mark.was} before{kept}"


async def give_back(cluster: Cluster, item: Mapping[str, Any]) -> Given:
    """One autoscaler, tried again while its controller writes in between."""
    target, mark = address(item), mark_of(item)
    name, floor = f"{target.namespace}/{target.name}", mark.floor if mark is not None else None
    trouble = "its status changed each time: try again"
    for _ in range(ATTEMPTS):
        world = await cluster.read(target)
        if isinstance(world, Gone):
            return Given(name, floor)
        if isinstance(world, Unreadable):
            return Given(name, floor, trouble=world.message)
        least = int(world.object["spec"].get("minReplicas", 1))
        step = release_of(world)
        if step is None:
            return Given(name, floor, least)
        if (owner := controller_of(world.object)) is not None:
            return Given(name, floor, least, f"it belongs to {owner.kind}/{owner.name} now, which would undo it")
        result = await cluster.release(step, world.resource_version)
        match result:
            case Applied():
                return Given(name, floor, await least_now(cluster, world))
            case Gone():
                return Given(name, floor)
            case Conflict() | Unknown():
                trouble = result.message
            case Refused(code, message):
                return Given(name, floor, least, f"{code}: {message}")
            case _:
                assert_never(result)
    return Given(name, floor, trouble=trouble)


async def least_now(cluster: Cluster, before: World) -> int | None:
    """The minimum after the release."""
    world = await cluster.read(before.workload)
    return int(world.object["spec"].get("minReplicas", 1)) if isinstance(world, World) else None


def tell(screen: Screen, given: list[Given]) -> None:
    """Every autoscaler, and what is left to do."""
    if screen.format is Format.JSON:
        screen.json([asdict(one) for one in given])
        return
    if not given:
        screen.marked("✔", "no floor is held", "green")
    for one in given:
        if one.trouble:
            screen.marked("✖", f"{one.name}: {one.trouble}", "red")
        else:
            now = "is gone" if one.minimum is None else f"minReplicas {one.minimum}"
            screen.marked("✔", f"{one.name}: {now}, its owner's again", "green")
