"""Answering: approve, reject, undo. Written into the Remediation with the caller's own kubeconfig.

Promises that what is approved is shown first and named by its digest, that the API server judges name and right (the
admission policy), and that what became of the answer is told, or that nobody has taken it in yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from controller.api.v1alpha1.kinds import REMEDIATION
from controller.app import open_clock, open_cluster
from controller.cli.exits import Exit
from controller.cli.screen import Ended, Format, Screen
from controller.cli.setup import in_pod
from controller.cli.stories import named
from controller.core.events import Verdict, Via
from controller.core.words import clean, clock, short
from controller.errors import Denied, Forbidden
from controller.runtime.written import (
    APPROVED,
    EXECUTED,
    REFUSED,
    UNDO,
    UNDONE,
    VERIFIED,
    VIA,
    condition,
    unheard_decision,
    unheard_undo,
)
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.ports import Resources

Object = Mapping[str, Any]
LOOK = 0.5
"""Seconds between two looks at what became of an answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command was given. `namespace` empty: everywhere the caller may look; `wait` seconds for the outcome."""

    incident: str
    namespace: str = ""
    wait: float = 10.0


async def decide(screen: Screen, settings: Settings, asked: Asked, verdict: Verdict, reason: str = "") -> Exit:
    """Set `spec.decision`, once, as whoever the kubeconfig names."""
    async with open_cluster(settings) as (resources, access):
        found = await remediations(resources, asked)
        item = open_question(found, open_clock().now())
        me = await access.me()
        show(screen, item)
        verb = "Approve" if verdict is Verdict.APPROVE else "Reject"
        screen.ask(f"{verb} this plan as {me.name}?")
        decision = {"verdict": verdict.value, "digest": item["spec"]["digest"], "by": me.name, "reason": reason}
        patch = {"metadata": {"annotations": {VIA: Via.CLI.value}}, "spec": {"decision": decision}}
        await written(resources, item, patch, "approve")
        now = await followed(resources, item, asked.wait, decided)
    return told_decision(screen, settings, now, me.name, verdict)


async def undo(screen: Screen, settings: Settings, asked: Asked) -> Exit:
    """Ask for the action of an incident to be taken back."""
    async with open_cluster(settings) as (resources, access):
        found = await remediations(resources, asked)
        item = carried_out(found, asked.incident)
        me = await access.me()
        screen.note(f"{named(asked.incident)}: take back {clean(item['spec']['summary'])}")
        screen.ask(f"Take it back as {me.name}?")
        await written(resources, item, {"metadata": {"annotations": {VIA: Via.CLI.value, UNDO: me.name}}}, "undo")
        now = await followed(resources, item, asked.wait, lambda one: unheard_undo(one) is None)
    return told_undo(screen, settings, now)


async def remediations(resources: Resources, asked: Asked) -> Sequence[Object]:
    """The Remediations of one incident, oldest first; raises Ended when there is none or they may not be listed."""
    name = named(asked.incident)
    try:
        items = await resources.list(REMEDIATION, asked.namespace or None)
    except Forbidden as error:
        where = f"in {asked.namespace}" if asked.namespace else "in all namespaces"
        remedy = "" if asked.namespace else " → name one: --namespace NAMESPACE"
        raise Ended(f"you lack the right to list remediations.trimtab.dev {where}{remedy}", Exit.DENIED) from error
    found = [item for item in items if (item.get("spec") or {}).get("incident") == name]
    if not found:
        raise Ended(f"there is no Remediation of {clean(name, 60)} → `kubectl get remediations -A`", Exit.NOT_FOUND)
    return sorted(found, key=lambda item: str(item["metadata"]["creationTimestamp"]))


def open_question(found: Sequence[Object], now: datetime) -> Object:
    """The one that still waits for an answer; raises Ended with what became of the newest otherwise."""
    for item in reversed(found):
        if closed(item, now) == "":
            return item
    raise Ended(closed(found[-1], now), Exit.FAILED)


def closed(item: Object, now: datetime) -> str:
    """Why an answer to it would not count; empty while it would."""
    spec, status = item["spec"], item.get("status") or {}
    incident, answer = spec["incident"], status.get("decision")
    if answer:
        return f"{incident}: {answer['by']} has already answered: {answer['verdict']} ({answer['via']})"
    if spec.get("decision"):
        approved, by = condition(item, APPROVED), spec["decision"]["by"]
        if approved is not None and unheard_decision(item) is None:
            return f"{incident}: an answer was written and did not count ({approved['message']})"
        return f"{incident}: {by} has answered, and trimtab has not taken it in yet"
    if status.get("route") not in {None, "Ask"}:
        reasons = "; ".join(clean(reason["message"]) for reason in status.get("reasons") or ())
        return f"{incident} asks nothing: {status['route']} ({reasons})"
    if ends(item) <= now:
        return f"{incident}: the question expired at {clock(ends(item))} UTC"
    if status.get("answer"):
        return f"{incident}: the plan is void ({status['answer']})"
    return ""


def ends(item: Object) -> datetime:
    """When its question ends."""
    told = (item.get("status") or {}).get("expires") or item["spec"]["expires"]
    return datetime.fromisoformat(told)


def carried_out(found: Sequence[Object], incident: str) -> Object:
    """The newest that was carried out; raises Ended when none was."""
    for item in reversed(found):
        executed = condition(item, EXECUTED)
        if executed is not None and executed["status"] == "True":
            undone = condition(item, UNDONE)
            if undone is not None and undone["status"] == "True":
                raise Ended(f"{named(incident)} is taken back already: {undone['message']}", Exit.FAILED)
            return item
    raise Ended(f"{named(incident)} has no action that could be undone", Exit.FAILED)


def show(screen: Screen, item: Object) -> None:
    """What is decided about, to standard error: the answer's output stays clean."""
    spec = item["spec"]
    until = clock(ends(item))
    target = f"{item['metadata']['namespace']}/{spec['target']['kind']}/{spec['target']['name']}"
    screen.note(f"{spec['incident']}  {target}  plan {short(spec['digest'])}  expires {until} UTC")
    screen.note(f"{clean(spec['summary'])}  ({clean(spec['runbook'])})")
    for line in spec["change"]:
        screen.note(f"  {clean(line)}")
    for line in str(spec["diff"]).splitlines():
        screen.note(f"    {line}")
    screen.note("")


async def written(resources: Resources, item: Object, patch: Mapping[str, Any], verb: str) -> None:
    """Write it as the caller; raises Ended with the right that is missing, or with who was faster."""
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    try:
        answer = await resources.patch(REMEDIATION, namespace, name, patch)
    except Forbidden as error:
        right = f"you lack the right to {verb} remediations.trimtab.dev in {namespace} (verbs patch and approve)"
        raise Ended(f"{right}: {error.args[0]}", Exit.DENIED) from error
    except Denied as error:
        there = await resources.get(REMEDIATION, namespace, name)
        faster = ((there or {}).get("spec") or {}).get("decision")
        if faster and not item["spec"].get("decision"):
            raise Ended(f"{faster['by']} was faster: {faster['verdict']}", Exit.FAILED) from error
        raise Ended(str(error.args[0]), Exit.DENIED) from error
    if answer is None:
        raise Ended(f"Remediation {namespace}/{name} is gone", Exit.NOT_FOUND)


async def followed(resources: Resources, item: Object, wait: float, done: Callable[[Object], bool]) -> Object:
    """Look at it until `done` or the time is up; the last state seen."""
    loop = asyncio.get_running_loop()
    until, latest = loop.time() + wait, item
    while True:
        seen = await resources.get(REMEDIATION, item["metadata"]["namespace"], item["metadata"]["name"])
        latest = seen or latest
        if done(latest) or loop.time() >= until:
            return latest
        await asyncio.sleep(LOOK)


def decided(item: Object) -> bool:
    """The answer counted, or is known not to."""
    answer = (item.get("status") or {}).get("decision")
    if answer and answer["verdict"] == Verdict.APPROVE:
        return condition(item, EXECUTED) is not None
    return unheard_decision(item) is None


def told_decision(screen: Screen, settings: Settings, item: Object, me: str, verdict: Verdict) -> Exit:
    """Say what became of the answer."""
    answer, approved = (item.get("status") or {}).get("decision"), condition(item, APPROVED)
    executed = condition(item, EXECUTED)
    if screen.format is Format.JSON:
        screen.json({"incident": item["spec"]["incident"], "written": True, "status": item.get("status") or {}})
    if answer and (answer["by"], answer["verdict"]) != (me, verdict.value):
        screen.problem(f"{answer['by']} decided: {answer['verdict']} ({answer['via']})")
        return Exit.FAILED
    if answer:
        if screen.format is not Format.JSON:
            screen.marked("✔", f"{answer['verdict']} by {answer['by']} counts", "green")
            _conditions(screen, item, (EXECUTED, VERIFIED))
            screen.text(f"next: {in_pod(settings, 'explain ' + item['spec']['incident'])}")
        return Exit.FAILED if executed is not None and executed["status"] == "False" else Exit.OK
    if approved is not None and unheard_decision(item) is None:
        screen.problem(f"the answer does not count: {approved['message']}")
        return Exit.DENIED
    screen.problem(f"written, but trimtab has not taken it in yet → is it running? {in_pod(settings, 'doctor')}")
    return Exit.DEGRADED


def told_undo(screen: Screen, settings: Settings, item: Object) -> Exit:
    """Say what became of the wish."""
    undone = condition(item, UNDONE)
    if screen.format is Format.JSON:
        screen.json({"incident": item["spec"]["incident"], "written": True, "status": item.get("status") or {}})
    if undone is None or unheard_undo(item) is not None:
        screen.problem(f"written, but trimtab has not taken it in yet → is it running? {in_pod(settings, 'doctor')}")
        return Exit.DEGRADED
    if undone["reason"] == REFUSED or undone["reason"] == "NotOurs":
        screen.problem(f"not taken back: {undone['message']}")
        return Exit.DENIED if undone["reason"] == REFUSED else Exit.FAILED
    if screen.format is not Format.JSON:
        screen.marked("✔", "taken back" if undone["status"] == "True" else "it is being taken back", "green")
        screen.text(f"next: {in_pod(settings, 'explain ' + item['spec']['incident'])}")
    return Exit.OK


def _conditions(screen: Screen, item: Object, kinds: Sequence[str]) -> None:
    for kind in kinds:
        found = condition(item, kind)
        if found is not None:
            good = found["status"] == "True"
            screen.marked("✔" if good else "✖", f"{kind}: {clean(found['message'])}", "green" if good else "red")
