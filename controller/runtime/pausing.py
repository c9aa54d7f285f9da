"""The kill switch as people turn it: every way ends in one AutomationPause (S13)."""

from __future__ import annotations

from controller.api.shapes import API_VERSION
from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE
from controller.errors import TrimtabError
from controller.ports import Access, Person, Resources

NAME = "trimtab"


async def pause(
    resources: Resources, access: Access, person: Person, reason: str, namespaces: tuple[str, ...] = ()
) -> str:
    """Pause automation for a person who may; one sentence for them."""
    try:
        if not await access.may(person, "create", AUTOMATION_PAUSE, None):
            return f"{person.name} has no right to create an AutomationPause."
        spec = {"reason": reason[:1000], "by": person.name, "namespaces": list(namespaces)}
        made = await resources.create(
            AUTOMATION_PAUSE,
            {
                "apiVersion": API_VERSION,
                "kind": "AutomationPause",
                "metadata": {"name": NAME if not namespaces else f"{NAME}-{'-'.join(namespaces)}"[:253].rstrip("-.")},
                "spec": spec,
            },
        )
    except TrimtabError as error:
        return f"Not paused: {error}"
    where = ", ".join(namespaces) or "everywhere"
    return f"Automation is paused ({where}): {reason}" if made is not None else "Automation was paused already."


async def resume(resources: Resources, access: Access, person: Person) -> str:
    """End every pause, for a person who may; one sentence for them."""
    try:
        if not await access.may(person, "delete", AUTOMATION_PAUSE, None):
            return f"{person.name} has no right to delete an AutomationPause."
        found = await resources.list(AUTOMATION_PAUSE)
        for item in found:
            await resources.delete(AUTOMATION_PAUSE, None, item["metadata"]["name"])
    except TrimtabError as error:
        return f"Not resumed: {error}"
    return "Automation goes on." if found else "Automation was not paused."
