"""What the settings say about people: who may answer, who is told, where trimtab may act. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from controller.checkup.finding import Finding, note, well, wrong
from controller.core.people import members
from controller.core.words import clean
from controller.settings import Settings


def people(settings: Settings) -> Iterator[Finding]:
    """Approvers and groups."""
    said = settings.people
    for entry in said.approvers:
        kind, _, name = entry.partition(":")
        if not (name if kind in {"user", "group"} else entry).strip():
            yield wrong("approvers", f"{clean(entry, 60)!r} names nobody", "write a username, or group:NAME")
        elif kind == "group" and not said.groups.get(name):
            yield wrong("approvers", f"{clean(entry, 60)} has no members", f"list them under people.groups.{name}")
    who = members(said.approvers, said.groups)
    if who:
        yield well("approvers", f"{len(who)} people may answer: {', '.join(sorted(who)[:6])}")
    elif settings.act_namespaces:
        yield wrong("approvers", "nobody may answer, so nothing can be approved", "set people.approvers")
    else:
        yield note("approvers", "nobody may answer", "set people.approvers before letting it act")
    strangers = sorted(set(said.slack.values()) - who)
    if strangers:
        yield note("approvers", f"known in Slack, but not allowed to answer: {', '.join(strangers[:6])}")


def telling(settings: Settings, notifiers: int) -> Iterator[Finding]:
    """Who is told when a person is needed."""
    if notifiers:
        yield well("paging", f"{notifiers} way{'s' if notifiers > 1 else ''} to page")
        return
    besides = " besides Slack" if settings.slack_channel else ""
    yield note(
        "paging",
        f"nothing pages{besides}: a question at night waits for the morning",
        "set webhook_url, or put an integration key into the secret pagerduty/key",
    )


def paused(pauses: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether automation stands still."""
    if not pauses:
        return well("kill switch", "automation runs")
    spec = pauses[0].get("spec") or {}
    where = ", ".join(spec.get("namespaces") or ()) or "everywhere"
    reason = clean(str(spec.get("reason") or "no reason given"))
    return note("kill switch", f"automation is paused ({where}): {reason}", "trimtab resume")
