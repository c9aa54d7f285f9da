"""What Slack's refusals mean, each with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from slack_sdk.errors import SlackApiError

from controller.chart import named
from controller.errors import ChatUnavailable, MessageGone

BOT, APP = "slack/bot-token", "slack/app-token"
CHANNEL: Final = named("slack_channel")

REMEDIES: Final[Mapping[str, str]] = {
    "channel_not_found": f"Check the channel ({CHANNEL}); invite the app to a private channel.",
    "not_in_channel": "Invite the app: /invite it in that channel.",
    "is_archived": f"Name a channel that is not archived ({CHANNEL}).",
    "restricted_action": f"Let the app post in that channel, or name another ({CHANNEL}).",
    "message_not_found": "Nothing: it is posted anew.",
    "invalid_blocks": "Report this with the incident: the message was not built as Slack wants it.",
    "msg_too_long": "Report this with the incident: the message was not built as Slack wants it.",
    "ratelimited": "Nothing: it is sent again later.",
}

TOKEN: Final = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"}
)
"""Refusals that are about the token itself."""


def problem(method: str, error: SlackApiError) -> ChatUnavailable:
    """The error to raise when a call was answered with `ok: false`."""
    answer = answered(error)
    code = str(answer.get("error") or "no reason")
    kind = MessageGone if code == "message_not_found" else ChatUnavailable
    return kind(f"Slack refused {method}: {code}", remedy(method, code, answer))


def remedy(method: str, code: str, answer: Mapping[str, Any]) -> str:
    """What to do about a refusal."""
    connecting = method == "apps.connections.open"
    if code == "missing_scope" or (connecting and code == "not_allowed_token_type"):
        needed = str(answer.get("needed") or ("connections:write" if connecting else "chat:write"))
        if connecting:
            return f"Create an app-level token with {needed} and put it in secret {APP}."
        return f"Add the scope {needed} to the bot, reinstall the app, and put the new token in secret {BOT}."
    if code in TOKEN:
        kind = "app-level token (xapp-…)" if connecting else "bot token (xoxb-…)"
        return f"Put a valid {kind} in secret {APP if connecting else BOT}."
    return REMEDIES.get(code, "See https://docs.slack.dev/reference/methods for this reason.")


def no_token(name: str) -> ChatUnavailable:
    """The error to raise when a secret file is missing or empty."""
    what = "an app-level token with connections:write" if name == APP else "the bot token of the installed app"
    return ChatUnavailable(f"There is no secret {name}", f"Create {what} and put it there.")


def unreachable(method: str, cause: BaseException) -> ChatUnavailable:
    """The error to raise when there was no answer at all."""
    words = str(cause) or type(cause).__name__
    return ChatUnavailable(
        f"Slack did not answer {method}: {words}", "Check the network and the setting slack_api_url."
    )


def answered(error: SlackApiError) -> Mapping[str, Any]:
    """The body of a refusal; empty when it had none."""
    data = getattr(error.response, "data", error.response)
    return data if isinstance(data, Mapping) else {}


def retry_after(error: SlackApiError) -> float | None:
    """Seconds to wait when a call was rate limited, else None."""
    status = getattr(error.response, "status_code", 0)
    if status != 429 and answered(error).get("error") != "ratelimited":
        return None
    headers = {str(name).lower(): value for name, value in (getattr(error.response, "headers", None) or {}).items()}
    try:
        return max(0.0, float(headers.get("retry-after", 1)))
    except (TypeError, ValueError):
        return 1.0
