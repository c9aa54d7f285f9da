"""What changed: the newest rollout of a workload, for the story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.core.diagnose import names
from controller.core.observe import newest_first
from remediations.cluster import World
from remediations.pods import instant

MACHINES = frozenset({"kube-controller-manager", "trimtab"})


@dataclass(frozen=True, slots=True)
class Change:
    """A rollout, when, and in words."""

    at: datetime
    text: str


def rollout(world: World) -> Change | None:
    """The newest version's coming, None when there has been only one."""
    versions = newest_first(world)
    created = instant(versions[0]["metadata"].get("creationTimestamp")) if len(versions) > 1 else None
    if created is None:
        return None
    before, after = names(world)
    who = author(world)
    return Change(created, f"{before} → {after}" + (f" (by {who})" if who else ""))


def author(world: World) -> str:
    """The field manager that last wrote the object's spec."""
    entries = [
        (entry.get("time") or "", str(entry.get("manager") or ""))
        for entry in world.object["metadata"].get("managedFields") or ()
        if not entry.get("subresource") and entry.get("manager") not in MACHINES
    ]
    return max(entries, default=("", ""))[1]
