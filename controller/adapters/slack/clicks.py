"""What an interaction means: a click of a person, a click that still needs its reason, or nothing.

Only a button of ours that an authenticated person pressed counts (S19). Slack sends an event again when its
acknowledgement got lost; `Once` lets each through a single time.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from controller.adapters.slack.blocks import asks_reason, plain
from controller.adapters.slack.text import unescape
from controller.ports import Click, Posted

REASON = "reason"
"""Ids of the dialogue, its block and its input."""

LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Pressed:
    """A click that says everything. `once` names it."""

    click: Click
    once: str


@dataclass(frozen=True, slots=True)
class NeedsReason:
    """A click whose reason is asked in `view`, to be opened with `trigger`."""

    view: Mapping[str, Any]
    trigger: str
    once: str


@dataclass(frozen=True, slots=True)
class NoReason:
    """The dialogue was sent without a reason."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Not an answer: `why` is for the log."""

    why: str


Interaction: TypeAlias = Pressed | NeedsReason | NoReason | Nothing


def read(body: Mapping[str, Any], bot: str) -> Interaction:
    """The meaning of an interactive payload. `bot` is our own user id."""
    user = body.get("user") or {}
    if not person(str(user.get("id") or ""), bot) or body.get("bot_id") or user.get("is_bot"):
        return Nothing("not a person")
    match body.get("type"):
        case "block_actions":
            return pressed(body, user)
        case "view_submission":
            return submitted(body, user)
        case other:
            return Nothing(f"{other} is not an answer")


def person(identity: str, bot: str) -> bool:
    """Whether an id is that of a member who is not ourselves."""
    return re.fullmatch(r"[UW][A-Z0-9]+", identity) is not None and identity != bot


def pressed(body: Mapping[str, Any], user: Mapping[str, Any]) -> Interaction:
    """A button of a message in a channel."""
    container: Mapping[str, Any] = body.get("container") or {}
    pressed_ones: Sequence[Mapping[str, Any]] = body.get("actions") or ()
    if container.get("type") != "message" or container.get("is_ephemeral") or len(pressed_ones) != 1:
        return Nothing("not a button of a message")
    action = pressed_ones[0]
    if action.get("type") != "button":
        return Nothing("not a button")
    posted = Posted(str(container.get("channel_id")), str(container.get("message_ts")))
    click = Click(str(action.get("action_id")), str(action.get("value") or ""), str(user["id"]), name_of(user), posted)
    once = f"{posted.channel} {posted.ts} {click.action} {click.user_id} {action.get('action_ts')}"
    if asks_reason(str(action.get("block_id") or ""), click.action):
        title = str((action.get("text") or {}).get("text") or click.action).rstrip("…. ")
        return NeedsReason(dialogue(click, title, headline(body)), str(body.get("trigger_id")), once)
    return Pressed(click, once)


def submitted(body: Mapping[str, Any], user: Mapping[str, Any]) -> Interaction:
    """The dialogue that asked for a reason."""
    view = body.get("view") or {}
    if view.get("callback_id") != REASON:
        return Nothing("not our dialogue")
    try:
        about = json.loads(view.get("private_metadata") or "")
        posted = Posted(str(about["channel"]), str(about["ts"]))
        action, value = str(about["action"]), str(about["value"])
    except (ValueError, KeyError, TypeError):
        return Nothing("a dialogue that says nothing of its button")
    values = (view.get("state") or {}).get("values") or {}
    reason = str(((values.get(REASON) or {}).get(REASON) or {}).get("value") or "").strip()
    if not reason:
        return NoReason()
    click = Click(action, value, str(user["id"]), name_of(user), posted, reason[:LONGEST_REASON])
    return Pressed(click, f"view {view.get('id')}")


def name_of(user: Mapping[str, Any]) -> str:
    """The person's name as Slack tells it; for the log only, names can be chosen freely."""
    return str(user.get("username") or user.get("name") or user["id"])


def headline(body: Mapping[str, Any]) -> str:
    """The (escaped) headline of the message that was clicked."""
    for block in (body.get("message") or {}).get("blocks") or ():
        if block.get("type") == "header":
            return str(block["text"]["text"])
    return ""


def dialogue(click: Click, title: str, about: str) -> dict[str, Any]:
    """The modal that asks why; what it is about travels with it, so that any replica can take the answer."""
    button = {
        "action": click.action,
        "value": click.value,
        "channel": click.posted.channel,
        "ts": click.posted.ts,
    }
    ask = {
        "type": "input",
        "block_id": REASON,
        "label": plain("Why?", 24),
        "hint": plain("It is kept with the incident, and the runbook learns from it.", 150),
        "element": {
            "type": "plain_text_input",
            "action_id": REASON,
            "multiline": True,
            "min_length": 1,
            "max_length": LONGEST_REASON,
        },
    }
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": json.dumps(button),
        "title": plain(title, 24),
        "submit": plain(title, 24),
        "close": plain("Back", 24),
        "blocks": [{"type": "section", "text": plain(unescape(about) or click.value, 3000)}, ask],
    }


class Once:
    """Remembers the latest names and lets each through a single time."""

    def __init__(self, most: int = 2000) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def first(self, name: str) -> bool:
        """Whether this name has not been seen."""
        if name in self._seen:
            return False
        self._seen[name] = None
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True
