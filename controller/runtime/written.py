"""What people have written into a Remediation: their decision, their wish to take it back, and whether it was heard.

Promises that one writing is heard once: what has been answered in the status, or was refused there to the very person
who wrote it, is not asked again; what was refused to another one keeps nobody from being heard. Who may write it is
held by the admission policy. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.core.events import Via

UNDO, VIA = "trimtab.dev/undo", "trimtab.dev/via"
"""Annotations: whoever wants the action taken back, and the door they came through."""

APPROVED, EXECUTED, VERIFIED, UNDONE = "Approved", "Executed", "Verified", "Undone"
"""Condition types of a Remediation."""

REFUSED, EXPIRED, ASKED_ANEW = "Refused", "Expired", "AskedAnew"
"""Reasons of conditions: the answer did not count, came too late, or another question took the place of this one."""


def condition(item: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """One condition of the status, None when it is not there."""
    found = (item.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one.get("type") == kind), None)


def refused(item: Mapping[str, Any], kind: str, by: str) -> bool:
    """Whether this very person was told that their word does not count."""
    found = condition(item, kind)
    return found is not None and found.get("reason") == REFUSED and str(found.get("message", "")).startswith(f"{by}: ")


def via(item: Mapping[str, Any]) -> Via:
    """The door of whatever is written in it: the command line says so, everything else counts as kubectl."""
    notes = item["metadata"].get("annotations") or {}
    return Via.CLI if notes.get(VIA) == Via.CLI else Via.KUBECTL


def unheard_decision(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The decision in the spec that the status does not know yet."""
    decision: Mapping[str, Any] | None = (item.get("spec") or {}).get("decision")
    if not decision or (item.get("status") or {}).get("decision"):
        return None
    approved = condition(item, APPROVED)
    over = approved is not None and approved.get("reason") in (EXPIRED, ASKED_ANEW)
    return None if over or refused(item, APPROVED, str(decision.get("by", ""))) else decision


def unheard_undo(item: Mapping[str, Any]) -> str | None:
    """Who wants it taken back and was not answered yet."""
    by = str((item["metadata"].get("annotations") or {}).get(UNDO) or "")
    if not by:
        return None
    undone = condition(item, UNDONE)
    answered = undone is not None and undone.get("reason") != REFUSED
    return None if answered or refused(item, UNDONE, by) else by
