"""The store and the Lease: can it be read and written, is it the one that is remembered, and does anybody lead."""

from __future__ import annotations

from datetime import datetime

from controller.checkup.finding import Finding, note, well, wrong
from controller.core.words import count, lasting
from controller.ports import LeaseState, StoreIdentity
from controller.runtime.leadership import FOUND, distrust, read_mirror

SUBJECT = "store"
ADOPT = "bring the right one back; or, if this is the right one, run on your machine: trimtab store adopt"


def store(place: str, identity: StoreIdentity, unwritable: str, lease: LeaseState | None) -> Finding:
    """One line on a store that could be read."""
    text = f"{place}: {count(identity.sequence, 'event')}, head {identity.head[:12] or '(empty)'}"
    if unwritable:
        return wrong(SUBJECT, f"{text}; cannot be written: {unwritable}", "see its volume or role")
    if lease is None:
        return note(SUBJECT, f"{text}; the Lease remembers none yet")
    why = distrust(read_mirror(lease.annotations), identity)
    if why or lease.annotations.get(FOUND):
        return wrong(SUBJECT, f"{text}; not trusted: {why or 'the leader found another one'}", ADOPT)
    return well(SUBJECT, f"{text}, the one that the Lease remembers")


def leader(lease: LeaseState | None, now: datetime) -> Finding:
    """Whether somebody leads."""
    if lease is None or not lease.holder:
        return note("leader", "nobody leads", "start the program: trimtab run")
    if lease.renewed_at is None:
        return note("leader", f"{lease.holder}, never renewed")
    age = now - lease.renewed_at
    text = f"{lease.holder}, renewed {lasting(age)} ago"
    if age > 2 * lease.duration:
        return wrong("leader", text, "see the logs of the pods; a standby takes over by itself")
    return well("leader", text)
