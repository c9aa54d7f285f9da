"""Becoming leader, and ceasing to be: the store's epoch, its standing against the Lease, the record rebuilt.

Promises that nothing is reconciled before the epoch is taken and the whole log is read, and that a store which is
another one, empty, or behind the head that the Lease remembers is not trusted until a person adopts it (S37).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from controller.ports import Store, StoreIdentity

log = structlog.get_logger(__name__)

STORE, SEQUENCE, HEAD, EPOCH = (
    "trimtab.dev/store",
    "trimtab.dev/sequence",
    "trimtab.dev/head",
    "trimtab.dev/epoch",
)
FOUND, ADOPT = "trimtab.dev/found-store", "trimtab.dev/adopt"
"""A store that is not trusted, by id, and the id that a person adopted (`trimtab store adopt`)."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """What the Lease remembers of the store; empty before there was one."""

    store: str = ""
    sequence: int = 0
    head: str = ""
    epoch: int = 0


def read_mirror(annotations: Mapping[str, str]) -> Mirror:
    """The mirror in a Lease's annotations; what is not a number counts as zero."""

    def number(key: str) -> int:
        text = annotations.get(key, "")
        return int(text) if text.isdigit() else 0

    return Mirror(annotations.get(STORE, ""), number(SEQUENCE), annotations.get(HEAD, ""), number(EPOCH))


def write_mirror(identity: StoreIdentity) -> Mapping[str, str]:
    """The annotations that mirror a store."""
    return {
        STORE: identity.id,
        SEQUENCE: str(identity.sequence),
        HEAD: identity.head,
        EPOCH: str(identity.epoch),
    }


def distrust(mirror: Mirror, identity: StoreIdentity) -> str:
    """Why the store may not be acted on; empty when it is the one the Lease remembers, or none is remembered."""
    if not mirror.store:
        return ""
    if mirror.store != identity.id:
        return f"the store is another one ({identity.id[:8]}, the Lease remembers {mirror.store[:8]})"
    if identity.sequence < mirror.sequence:
        return f"the store is behind: event {identity.sequence}, the Lease remembers {mirror.sequence}"
    if identity.sequence == mirror.sequence and identity.head != mirror.head:
        return "the store's last event is not the one the Lease remembers"
    return ""


@dataclass(slots=True)
class Leadership:
    """The leader's epoch and whether its store is trusted. `epoch` is None while another leads."""

    store: Store
    epoch: int | None = None
    distrusted: str = "not leading yet"
    mirror: Mapping[str, str] | None = None

    async def take(self, annotations: Mapping[str, str]) -> None:
        """Become leader: raise the epoch over everyone before us, and look whether the store is the one remembered."""
        remembered = read_mirror(annotations)
        found = await self.store.identity()
        self.distrusted = distrust(remembered, found)
        self.epoch = await self.store.advance_epoch(remembered.epoch)
        self.mirror = {FOUND: found.id} if self.distrusted else write_mirror(replace(found, epoch=self.epoch))
        log.info("leading", epoch=self.epoch, store=found.id, distrusted=self.distrusted)

    async def adopted(self, annotations: Mapping[str, str]) -> bool:
        """True when a person has adopted the store that is not trusted yet."""
        if self.epoch is None or not self.distrusted:
            return False
        return annotations.get(ADOPT) == (await self.store.identity()).id

    async def refresh(self, annotations: Mapping[str, str]) -> None:
        """Trust the store if it was adopted, and bring the mirror up to date.

        A distrusted store is never mirrored over the one that the Lease remembers.
        """
        if self.epoch is None:
            return
        found = await self.store.identity()
        if self.distrusted and annotations.get(ADOPT) == found.id:
            self.distrusted = ""
        if not self.distrusted:
            self.mirror = {**write_mirror(found), FOUND: "", ADOPT: ""}

    def annotations(self) -> Mapping[str, str]:
        """What the next renewal writes."""
        return self.mirror or {}

    def drop(self) -> None:
        """Cease to lead."""
        self.epoch, self.distrusted, self.mirror = None, "not leading", None
