"""Hearing what people wrote into a Remediation: their decision, their wish to take it back.

Promises that a leader takes one writing to the door once, however often the watch shows it, and again under the next
leader as long as the status does not answer it. The admission policy proved name and right when it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from controller.core.events import Verdict
from controller.errors import ProgramUnavailable, Retriable
from controller.ports import Clock, Person
from controller.runtime.answers import Door
from controller.runtime.background import Background
from controller.runtime.leadership import Leadership
from controller.runtime.written import unheard_decision, unheard_undo, via

log = structlog.get_logger(__name__)


class Hearing:
    """Takes written answers to the door while this replica leads."""

    def __init__(self, door: Door, leadership: Leadership, clock: Clock, background: Background) -> None:
        self._door, self._leadership, self._clock, self._background = door, leadership, clock, background
        self._heard: set[tuple[str, str, str]] = set()

    def notice(self, item: Mapping[str, Any]) -> None:
        """A Remediation came or changed."""
        if not self._leads():
            return
        decision, by = unheard_decision(item), unheard_undo(item)
        for what, who in (("decision", str((decision or {}).get("by", ""))), ("undo", by or "")):
            heard = (str(item["metadata"]["uid"]), what, who)
            if not who or heard in self._heard:
                continue
            self._heard.add(heard)
            if what == "undo":
                work = partial(self._undo, item, who)
            elif decision is not None:
                work = partial(self._decision, item, decision)
            else:
                continue
            trouble = "answer not taken in yet"
            self._background.later(
                self._background.insist(work, trouble, wanted=self._leads, forgives=Retriable), "answer"
            )

    def forget(self) -> None:
        """Another leads, and hears from here on."""
        self._heard.clear()

    def _leads(self) -> bool:
        return self._leadership.epoch is not None

    async def _decision(self, item: Mapping[str, Any], decision: Mapping[str, Any]) -> None:
        spec = item["spec"]
        reply = await self._door.answer(
            spec["incident"],
            decision["digest"],
            Verdict(decision["verdict"]),
            Person(decision["by"]),
            via(item),
            self._clock.now(),
            reason=decision.get("reason") or "",
            written_in=item["metadata"]["name"],
        )
        if reply.again:
            raise ProgramUnavailable(reply.sentence)
        if not reply.counted:
            log.warning("answer does not count", incident=spec["incident"], by=decision["by"], why=reply.sentence)

    async def _undo(self, item: Mapping[str, Any], by: str) -> None:
        incident, digest = str(item["spec"]["incident"]), str(item["spec"]["digest"])
        reply = await self._door.undo(incident, Person(by), via(item), self._clock.now(), digest=digest)
        if reply.again:
            raise ProgramUnavailable(reply.sentence)
        if not reply.counted:
            log.warning("undo does not count", incident=incident, by=by, why=reply.sentence)
