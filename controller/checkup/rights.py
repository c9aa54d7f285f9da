"""Rights: what trimtab needs against what its account has, asked of the API server one by one.

Promises that a right counts as granted only by the server's own word, and that rights beyond the needed ones are
named: they are what an intruder would use (S17).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from controller.api.rights import CLUSTER, OBSERVE, Rule, acting_rules, own
from controller.chart import named
from controller.checkup.finding import Finding, note, well, wrong
from controller.ports import ResourceKind
from controller.settings import Settings
from remediations.registry import Registry
from runbooks.schema import Runbook

AT_ONCE = 8
SHOWN = 6
NOWHERE = "trimtab-doctor-nowhere"
"""A namespace that need not exist: whoever may do something there may do it everywhere."""
EVERYBODY = frozenset({"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"})
"""What every authenticated account may create."""


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One verb on one resource, in one namespace (empty: in all, or of a kind without namespaces)."""

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}{where}"


class Asks(Protocol):
    """Reviews of our own rights."""

    async def self_may(
        self, verb: str, kind: ResourceKind, namespace: str | None, subresource: str = "", name: str = ""
    ) -> bool:
        """SelfSubjectAccessReview."""
        ...

    async def my_rules(self, namespace: str) -> tuple[Mapping[str, Any], ...] | None:
        """SelfSubjectRulesReview; None when the server cannot say all."""
        ...


def needs(rules: Iterable[Rule], namespace: str) -> frozenset[Need]:
    """Each verb of these rules."""
    return frozenset(
        Need(namespace, rule.group, resource, verb, name)
        for rule in rules
        for resource in rule.resources
        for verb in rule.verbs
        for name in rule.names or ("",)
    )


def reading(settings: Settings) -> frozenset[Need]:
    """What it takes to observe, and to keep its own books."""
    places = settings.watch_namespaces or [""]
    watched = frozenset().union(*(needs(OBSERVE, place) for place in places))
    return watched | needs(CLUSTER, "") | needs(own(settings.lease_name), settings.namespace)


def acting(settings: Settings, runbooks: Iterable[Runbook], registry: Registry) -> frozenset[Need]:
    """What it takes to carry these runbooks out where it may act."""
    rules = acting_rules(runbooks, registry)
    return frozenset().union(*(needs(rules, place) for place in settings.act_namespaces))


async def missing(asks: Asks, wanted: Iterable[Need]) -> tuple[Need, ...]:
    """Those that the server does not grant."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def granted(need: Need) -> bool:
        resource, _, sub = need.resource.partition("/")
        kind = ResourceKind(need.group, "", resource, "")
        async with gate:
            return await asks.self_may(need.verb, kind, need.namespace or None, subresource=sub, name=need.name)

    ordered = sorted(wanted)
    answers = await asyncio.gather(*(granted(need) for need in ordered))
    return tuple(need for need, yes in zip(ordered, answers, strict=True) if not yes)


async def unused(asks: Asks, wanted: frozenset[Need], namespaces: Sequence[str]) -> tuple[Need, ...] | None:
    """What is granted beyond the needed, everywhere or in these namespaces; None when the server cannot list it."""
    found: set[Need] = set()
    everywhere = {(need.group, need.resource, need.verb) for need in wanted if not need.namespace}
    for place in (NOWHERE, *namespaces):
        rules = await asks.my_rules(place)
        if rules is None:
            return None
        here = {(need.group, need.resource, need.verb) for need in wanted if need.namespace == place}
        granted = {
            (group, resource, verb)
            for rule in rules
            for group in rule.get("apiGroups") or ()
            for resource in rule.get("resources") or ()
            for verb in rule.get("verbs") or ()
            if resource not in EVERYBODY
        }
        beyond = granted - everywhere - here
        found |= {Need("" if place == NOWHERE else place, *one) for one in beyond}
    wide = {(need.group, need.resource, need.verb) for need in found if not need.namespace}
    return tuple(sorted(n for n in found if not n.namespace or (n.group, n.resource, n.verb) not in wide))


async def rights(
    asks: Asks, settings: Settings, runbooks: Iterable[Runbook], registry: Registry, server: str
) -> tuple[Finding, ...]:
    """The line of the API server, and one for each thing that is wrong with the rights."""
    read, act = reading(settings), acting(settings, runbooks, registry)
    lacking_read, lacking_act = await missing(asks, read), await missing(asks, act)
    places = sorted({settings.namespace, *settings.act_namespaces, *settings.watch_namespaces})
    beyond = await unused(asks, read | act, places)
    shown = "unused: cannot be said" if beyond is None else f"{len(beyond)} unused"
    text = f"rights to read: {len(read)} needed, {len(read) - len(lacking_read)} granted, {shown}; rights to act: " + (
        f"{len(act)} needed, {len(act) - len(lacking_act)} granted in {', '.join(settings.act_namespaces)}"
        if settings.act_namespaces
        else f"none (no namespace to act in is named; {named('act_namespaces')})"
    )
    found = [well(server, text) if not lacking_read and not lacking_act else wrong(server, text, "see below")]
    if lacking_read:
        remedy = "install the chart with rbac.create, or grant what docs/reference/rights.md lists"
        found.append(wrong("rights to read", f"missing: {listed(lacking_read)}", remedy))
    if lacking_act:
        remedy = "set act.namespaces in the chart; for your own runbooks: trimtab rbac --runbooks DIR"
        found.append(wrong("rights to act", f"missing: {listed(lacking_act)}", remedy))
    if beyond:
        found.append(note("rights", f"granted and never used: {listed(beyond)}", "take them from the account"))
    return tuple(found)


def listed(wanted: Sequence[Need]) -> str:
    """The first few in words."""
    more = f" and {len(wanted) - SHOWN} more" if len(wanted) > SHOWN else ""
    return ", ".join(str(need) for need in wanted[:SHOWN]) + more
