"""The kill switch: pause and resume, with the caller's own rights (S13)."""

from __future__ import annotations

from controller.api.shapes import API_VERSION
from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE
from controller.app import open_cluster
from controller.cli.exits import Exit
from controller.cli.screen import Ended, Format, Screen
from controller.core.words import clean
from controller.errors import Forbidden
from controller.runtime.pausing import NAME
from controller.settings import Settings


async def pause(screen: Screen, settings: Settings, reason: str, namespaces: tuple[str, ...]) -> Exit:
    """Create the AutomationPause: nothing acts from within two seconds on."""
    where = ", ".join(namespaces) or "everywhere"
    async with open_cluster(settings) as (resources, access):
        me = await access.me()
        screen.ask(f"Pause all automation ({where}) as {me.name}?")
        name = NAME if not namespaces else f"{NAME}-{'-'.join(sorted(namespaces))}"[:253].rstrip("-.")
        spec = {"reason": reason[:1000], "by": me.name[:256], "namespaces": sorted(namespaces)}
        item = {"apiVersion": API_VERSION, "kind": "AutomationPause", "metadata": {"name": name}, "spec": spec}
        try:
            made = await resources.create(AUTOMATION_PAUSE, item)
        except Forbidden as error:
            raise lacks("create", me.name) from error
    text = f"automation is paused ({where})" if made is not None else f"automation was paused already ({where})"
    if screen.format is Format.JSON:
        screen.json({"paused": True, "name": name, "created": made is not None})
    else:
        screen.marked("✔", text, "green")
        screen.text("next: trimtab resume")
    return Exit.OK


async def resume(screen: Screen, settings: Settings) -> Exit:
    """Delete every AutomationPause."""
    async with open_cluster(settings) as (resources, access):
        me = await access.me()
        try:
            found = await resources.list(AUTOMATION_PAUSE)
        except Forbidden as error:
            raise lacks("list", me.name) from error
        for item in found:
            spec = item.get("spec") or {}
            where = ", ".join(spec.get("namespaces") or ()) or "everywhere"
            by = f" by {clean(spec['by'])}" if spec.get("by") else ""
            screen.note(f"{item['metadata']['name']}: {where}{by}: {clean(spec.get('reason') or 'no reason given')}")
        if found:
            if len(found) > 1:
                screen.note(f"To end one of them only: kubectl delete automationpause {found[0]['metadata']['name']}")
            screen.ask(f"End {'this pause' if len(found) == 1 else f'all {len(found)} pauses'} as {me.name}?")
        try:
            for item in found:
                await resources.delete(AUTOMATION_PAUSE, None, item["metadata"]["name"])
        except Forbidden as error:
            raise lacks("delete", me.name) from error
    if screen.format is Format.JSON:
        screen.json({"paused": False, "ended": [item["metadata"]["name"] for item in found]})
    else:
        screen.marked("✔", "automation goes on" if found else "automation was not paused", "green")
    return Exit.OK


def lacks(verb: str, who: str) -> Ended:
    """The right that is missing, and who can grant it."""
    remedy = "an administrator binds the ClusterRole trimtab-pauser"
    return Ended(f"{who} lacks the right to {verb} automationpauses.trimtab.dev → {remedy}", Exit.DENIED)
