"""`trimtab doctor`: whether trimtab has what it needs, each line with cause and remedy.

Promises that one part that does not answer never hides the others, and exit code 5 when anything is wrong.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence

from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE
from controller.app import (
    further_runbooks,
    open_chat,
    open_clock,
    open_leases,
    open_metrics,
    open_notifiers,
    open_store,
    open_survey,
    prometheus,
    store_place,
    store_unwritable,
)
from controller.chart import named
from controller.checkup import kinds, people, rights
from controller.checkup.finding import Finding, Mark, note, well, wrong
from controller.checkup.metrics import metrics, no_metrics
from controller.checkup.store import leader, store
from controller.cli.exits import Exit
from controller.cli.screen import Format, Screen
from controller.cli.setup import in_pod
from controller.core.words import markdown
from controller.errors import KindUnknown, StoreUnavailable, TrimtabError
from controller.ports import LeaseState, Resources
from controller.settings import Settings
from remediations.registry import installed
from runbooks.load import library
from runbooks.schema import Runbook

STYLES = {Mark.WELL: "green", Mark.NOTE: "yellow", Mark.WRONG: "red"}


async def doctor(screen: Screen, settings: Settings) -> Exit:
    """Look at everything, a line each."""
    found: list[Finding] = []
    async for part in looked(settings):
        found += part
        for finding in part:
            match screen.format:
                case Format.TEXT:
                    screen.marked(finding.mark, str(finding), STYLES[finding.mark])
                case Format.MARKDOWN:
                    screen.text(f"- {finding.mark} {markdown(str(finding))}")
                case Format.JSON:
                    pass
    degraded = any(finding.mark is Mark.WRONG for finding in found)
    if screen.format is Format.JSON:
        lines = [
            {"mark": one.mark.name.lower(), "subject": one.subject, "text": one.text, "remedy": one.remedy}
            for one in found
        ]
        screen.json({"degraded": degraded, "findings": lines})
    return Exit.DEGRADED if degraded else Exit.OK


async def looked(settings: Settings) -> AsyncIterator[Sequence[Finding]]:
    """Every part of the surroundings, one after the other."""
    lease, server = await cluster(settings)
    yield server
    yield (await seen_metrics(settings),)
    yield (await seen_store(settings, lease),)
    yield (await slack(settings),)
    yield await paging(settings)
    yield (*people.people(settings), *people.variables(os.environ))
    yield own_runbooks(settings)


async def cluster(settings: Settings) -> tuple[LeaseState | None, Sequence[Finding]]:
    """API server, account, rights, kinds, policies, kill switch; and the Lease."""
    found: list[Finding] = []
    try:
        async with open_survey(settings) as (resources, access, survey):
            version, me = await survey.version(), await access.me()
            if not me.name.startswith(f"system:serviceaccount:{settings.namespace}:"):
                text = f"these are the rights of {me.name}, not those of the program"
                found.append(note("account", text, in_pod(settings, "doctor")))
            books = (*library(), *_own(settings))
            found += await rights.rights(access, settings, books, installed(), f"API server {version}")
            found.append(await kinds.kinds(survey))
            acts = bool(settings.act_namespaces)
            found.append(await kinds.policies(survey, settings.lease_name, acts, settings.namespace))
            found.append(await _kill_switch(resources))
        lease = await _lease(settings)
    except TrimtabError as error:
        return None, (*found, broken("API server", error))
    return lease, (*found, leader(lease, open_clock().now()))


async def _kill_switch(resources: Resources) -> Finding:
    try:
        return people.paused(await resources.list(AUTOMATION_PAUSE))
    except KindUnknown as error:
        return wrong("kill switch", "its CRD is missing, which counts as paused", error.remedy)


async def paging(settings: Settings) -> Sequence[Finding]:
    """Who is told at night."""
    try:
        notifiers = open_notifiers(settings)
    except TrimtabError as error:
        return (broken("paging", error),)
    for notifier in notifiers:
        await notifier.close()
    return tuple(people.telling(settings, len(notifiers)))


def own_runbooks(settings: Settings) -> Sequence[Finding]:
    """The administrator's own runbooks, if there are any."""
    try:
        own = further_runbooks(settings.runbooks)
    except TrimtabError as error:
        return (broken("runbooks", error),)
    return (well("runbooks", f"{len(own)} of your own, {len(library())} shipped"),) if own else ()


def _own(settings: Settings) -> tuple[Runbook, ...]:
    try:
        return further_runbooks(settings.runbooks)
    except TrimtabError:
        return ()  # said in a line of its own


async def _lease(settings: Settings) -> LeaseState | None:
    leases = await open_leases(settings)
    try:
        return await leases.read()
    finally:
        await leases.close()


async def seen_metrics(settings: Settings) -> Finding:
    """Prometheus."""
    try:
        source = open_metrics(settings)
    except TrimtabError as error:
        return broken("Prometheus", error)
    baseline = settings.duration(settings.baseline_seconds)
    if source is None:
        return no_metrics()
    try:
        return await metrics(source, prometheus(settings).trust, baseline, open_clock().now)
    finally:
        await source.close()


async def seen_store(settings: Settings, lease: LeaseState | None) -> Finding:
    """The store, beside the program that may have it open."""
    try:
        place = store_place(settings)
    except TrimtabError as error:
        return broken("store", error)
    try:
        async with open_store(settings, read_only=True) as opened:
            identity = await opened.identity()
        return store(place, identity, await store_unwritable(settings), lease)
    except StoreUnavailable as error:
        if settings.database().startswith("sqlite:") and "unable to open" in str(error):
            return note("store", f"{place}: not there yet; it is made when trimtab runs first")
        return broken("store", error)
    except TrimtabError as error:
        return broken("store", error)


async def slack(settings: Settings) -> Finding:
    """The chat."""
    chat = open_chat(settings)
    if chat is None:
        return note(
            "Slack",
            "off: questions are asked on the page and in Remediations only",
            f"name a channel ({named('slack_channel')})",
        )
    try:
        return well("Slack", (await chat.probe(settings.slack_channel)).removeprefix("Slack: "))
    except TrimtabError as error:
        return broken("Slack", error)
    finally:
        await chat.close()


def broken(subject: str, error: TrimtabError) -> Finding:
    """An error as a line."""
    return wrong(subject, str(error.args[0]).removeprefix(f"{subject}: "), error.remedy or "see the program's log")
