"""What the settings say about people: who may answer, who is told, where trimtab may act. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from controller.chart import named
from controller.checkup.finding import Finding, note, well, wrong
from controller.core.people import members
from controller.core.words import clean
from controller.settings import Settings, unknown_variables

SHOWN = 6


def people(settings: Settings) -> Iterator[Finding]:
    """Approvers and groups."""
    said = settings.people
    for entry in said.approvers:
        group = entry.removeprefix("group:")
        if group != entry and not said.groups.get(group):
            yield wrong(
                "approvers",
                f"{clean(entry, 60)} has no members",
                f"list them under groups.{group} (chart) or people.groups.{group} (settings)",
            )
    who = members(said.approvers, said.groups)
    if who:
        names = ", ".join(sorted(who)[:SHOWN]) + (f" and {len(who) - SHOWN} more" if len(who) > SHOWN else "")
        yield well("approvers", f"{names} may answer")
    elif settings.act_namespaces:
        yield wrong(
            "approvers",
            "nobody may answer, so nothing can be approved",
            f"name approvers ({named('people.approvers')})",
        )
    else:
        yield note(
            "approvers", "nobody may answer", f"before you let it act, name approvers ({named('people.approvers')})"
        )
    strangers = sorted(set(said.slack.values()) - who)
    if strangers:
        yield note("approvers", f"known in Slack, but not allowed to answer: {', '.join(strangers[:SHOWN])}")


def variables(names: Iterable[str]) -> Iterator[Finding]:
    """Variables that are no settings."""
    known = [f"TRIMTAB_{name.upper()}" for name in Settings.model_fields]
    for name in unknown_variables(names):
        near = get_close_matches(name.partition("__")[0], known, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        yield note("settings", f"{clean(name, 80)} is no setting", f"{meant}docs/reference/settings.md lists them")


def telling(settings: Settings, notifiers: int) -> Iterator[Finding]:
    """Who is told when a person is needed."""
    if notifiers:
        yield well("paging", f"{notifiers} way{'s' if notifiers > 1 else ''} to page")
        return
    besides = " besides Slack" if settings.slack_channel else ""
    yield note(
        "paging",
        f"nothing pages{besides}: a question at night waits for the morning",
        f"name a webhook ({named('webhook_url')}) or a PagerDuty secret (chart: notify.pagerduty.secret)",
    )


def paused(pauses: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether automation stands still."""
    if not pauses:
        return well("kill switch", "automation runs")
    spec = pauses[0].get("spec") or {}
    where = ", ".join(spec.get("namespaces") or ()) or "everywhere"
    reason = clean(str(spec.get("reason") or "no reason given"))
    return note("kill switch", f"automation is paused ({where}): {reason}", "trimtab resume")
