"""A message as Block Kit: the headline, one line for each fact, and the decision.

Each fact is a section of its own with its name in bold and `expand` set: two columns of `fields` tear long facts
apart on a phone, and one section for all six is folded behind "see more". While there are buttons the footer says
when the question ends, in small print under the headline; once there are none it is the outcome, and stands where
they stood. `render_text` shows the same as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from controller.adapters.slack.text import escape, fitted, linked, unescape
from controller.ports import Button, Message

Block = dict[str, Any]

HEADER = 150
SECTION = 3000
BUTTON = 75
VALUE = 2000
FALLBACK = 3900
MOST_FACTS = 40
MOST_BUTTONS = 25
REASONS = "reasons:"
"""The id of the row of buttons says which of them ask for a reason, so that it is known after a restart as well."""


def blocks(message: Message, link: str = "", mentions: Mapping[str, str] | None = None) -> list[Block]:
    """The whole message. `link` is the address of our page, `mentions` maps names to Slack ids."""
    open_question = bool(message.buttons)
    small = [marked(message.footer, link)] if open_question and message.footer else []
    if message.mention:
        small.append(mentioned(message.mention, mentions or {}))
    shown = [header(message.headline), *([context(small)] if small else [])]
    shown += [fact(name, text, link) for name, text in message.facts[:MOST_FACTS]]
    if len(message.facts) > MOST_FACTS:
        shown.append(section(f"… and {len(message.facts) - MOST_FACTS} more facts (cut)"))
    if open_question:
        shown.append(actions(message.buttons, message.headline))
    elif message.footer:
        shown.append(section(marked(message.footer, link)))
    return shown


def header(headline: str) -> Block:
    """The headline; plain text, so nothing in it is markup."""
    return {
        "type": "header",
        "text": {"type": "plain_text", "text": fitted(headline.strip() or "–", HEADER), "emoji": False},
    }


def fact(name: str, text: str, link: str) -> Block:
    """`*What*  7 of 12 pods restart`."""
    label = f"*{escape(name)}*  "
    return section(label + marked(text, link, SECTION - len(label)))


def section(text: str) -> Block:
    """A paragraph in which Slack finds nothing by itself (`verbatim`): no links, no mentions."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}, "expand": True}


def context(lines: Sequence[str]) -> Block:
    """Small print, marked up already."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True} for text in lines]}


def marked(text: str, link: str, limit: int = SECTION) -> str:
    """Escaped, with our own addresses as links where all of it fits."""
    text = text.strip() or "–"
    full = linked(text, link)
    return full if len(full) <= limit else fitted(text, limit)


def mentioned(names: Sequence[str], mentions: Mapping[str, str]) -> str:
    """`for <@U1> group:sre`: whom Slack knows is notified, the others are named."""
    return "for " + " ".join(mention(mentions[name]) if name in mentions else escape(name) for name in names)


def mention(identity: str) -> str:
    """A person (`U…`) or a group of persons (`S…`)."""
    return f"<!subteam^{identity}>" if identity.startswith("S") else f"<@{identity}>"


def actions(buttons: Sequence[Button], headline: str) -> Block:
    """The row of buttons."""
    shown = buttons[:MOST_BUTTONS]
    asking = ",".join(button.action for button in shown if button.asks_reason)
    return {
        "type": "actions",
        "block_id": f"{REASONS}{asking}"[:255],
        "elements": [element(b, headline) for b in shown],
    }


def element(button: Button, headline: str) -> Block:
    """One button; one that decides something asks again, unless it asks for a reason anyway."""
    made: Block = {
        "type": "button",
        "action_id": button.action,
        "text": plain(button.text, BUTTON),
        "value": button.value[:VALUE],
    }
    if button.style in {"primary", "danger"}:
        made["style"] = button.style
        if not button.asks_reason:
            made["confirm"] = {
                "title": plain(f"{button.text}?", 100),
                "text": plain(headline or "–", 300),
                "confirm": plain(button.text, 30),
                "deny": plain("Not now", 30),
            }
    return made


def plain(text: str, limit: int) -> Block:
    """Text without markup."""
    return {"type": "plain_text", "text": fitted(text.strip() or "–", limit), "emoji": False}


def asks_reason(block_id: str, action: str) -> bool:
    """Whether a button of this row asks for a reason."""
    return block_id.startswith(REASONS) and action in block_id.removeprefix(REASONS).split(",")


def fallback(message: Message) -> str:
    """What notifications and screen readers say."""
    facts = (f"{name}: {text}" for name, text in message.facts)
    return fitted("\n".join(part for part in (message.headline, *facts, message.footer) if part) or "–", FALLBACK)


def reply(sentence: str) -> tuple[str, list[Block]]:
    """An answer to one person: a sentence, or a text of many lines (a full plan) set as it is."""
    first, _, rest = sentence.strip().partition("\n")
    shown = [section(marked(first, ""))]
    body = rest.strip("\n").replace("```", "`\u200b``")
    parts = list(chunks(body, SECTION - 10)) if body else []
    shown += [section(f"```{part}```") for part in parts[:MOST_FACTS]]
    if len(parts) > MOST_FACTS:
        shown.append(section("… (cut: the page and `trimtab plan` show all of it)"))
    return fitted(first or "–", FALLBACK), shown


def chunks(text: str, limit: int) -> list[str]:
    """Escaped pieces of at most `limit` characters, broken between lines where a line fits."""
    pieces: list[str] = []
    current = ""
    for line in text.split("\n"):
        whole = fitted(line, limit - 1)
        if current and len(current) + len(whole) + 1 > limit:
            pieces.append(current)
            current = whole
        else:
            current = f"{current}\n{whole}" if current else whole
    return [*pieces, current] if current else pieces


def render_text(shown: Sequence[Mapping[str, Any]]) -> str:
    """What a person reads of some blocks, as plain text with the facts in columns."""
    return "\n".join(line for block in shown for line in lines(block))


def lines(block: Mapping[str, Any]) -> list[str]:
    """The lines of one block."""
    match block.get("type"):
        case "header":
            return [unescape(block["text"]["text"])]
        case "section":
            return columns(unmarked(block["text"]["text"]), bold(block["text"]["text"]))
        case "context":
            return [f"  {unmarked(element['text'])}" for element in block["elements"]]
        case "actions":
            return ["  " + "  ".join(f"[{unescape(each['text']['text'])}]" for each in block["elements"])]
        case other:
            raise ValueError(f"a block of type {other} is not one of ours")


def bold(text: str) -> str:
    """The name of a fact, empty for other text."""
    found = re.match(r"\*(?P<name>[^*\n]+)\*  ", text)
    return unescape(found["name"]) if found else ""


def columns(text: str, name: str) -> list[str]:
    """A fact with its name in a column of its own."""
    if not name:
        return [f"  {line}" for line in text.split("\n")]
    first, *more = text.removeprefix(f"*{name}*").lstrip().split("\n")
    return [f"  {name:<11} {first}", *(f"{'':14}{line}" for line in more)]


def unmarked(text: str) -> str:
    """Markup taken away: links as their address, mentions as the id that is mentioned, fences gone."""
    named = re.sub(r"<(?:@|!subteam\^)([A-Z0-9]+)>", r"@\1", text.replace("```", ""))
    return unescape(re.sub(r"<([^<>|]+)>", r"\1", named))
