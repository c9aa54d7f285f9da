"""Text as Slack wants it: escaped, within its limits, and readable again.

Everything that is shown came from somewhere else (labels, logs, people), so `& < >` are always escaped: a mention, a
link or a channel name in an alert stays the characters it is (S32). What does not fit is cut with words that say so.
"""

from __future__ import annotations

from html import unescape as unescape_html

CUT = "… (cut)"


def escape(text: str) -> str:
    """The three characters that mean something to Slack, as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """What a person sees of escaped text."""
    return unescape_html(text)


def fitted(text: str, limit: int) -> str:
    """Escaped and at most `limit` characters long, cut between characters and never within an entity."""
    whole = escape(text)
    if len(whole) <= limit:
        return whole
    kept, room = [], limit - len(CUT)
    for character in text:
        piece = escape(character)
        if len(piece) > room:
            break
        kept.append(piece)
        room -= len(piece)
    return "".join(kept).rstrip() + CUT


def linked(text: str, base: str) -> str:
    """Escaped text in which addresses that begin with `base` (our own page) are links; others stay text."""
    if not base:
        return escape(text)
    words = []
    for word in text.split(" "):
        ours = word == base or word.startswith(f"{base.rstrip('/')}/")
        plain = not set(word) & set("|<>")
        words.append(f"<{escape(word)}>" if ours and plain else escape(word))
    return " ".join(words)
