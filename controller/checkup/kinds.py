"""The kinds the API server serves, field by field against those of this program; and the policies that guard them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from controller.api.crd import schema
from controller.api.v1alpha1.kinds import KINDS
from controller.checkup.finding import Finding, note, well, wrong

UPGRADE = "helm upgrade, with crds.install on"
SHOWN = 4


class Surveys(Protocol):
    """What the API server says of itself."""

    async def schemas(self) -> Mapping[str, Mapping[str, Any]] | None:
        """The served schema of each kind of the group, by kind; None when the group is not served."""
        ...

    async def policies(self) -> frozenset[str] | None:
        """Names of the admission policies; None when our account may not list them."""
        ...

    async def refuses_foreign_answers(self, namespace: str) -> bool | None:
        """Whether a Remediation with a decision in it is refused (tried without effect); None when that cannot be
        tried.
        """
        ...


async def kinds(survey: Surveys) -> Finding:
    """Whether every kind is there, with every field this program writes or reads."""
    served = await survey.schemas()
    if served is None:
        return wrong("CRDs", "trimtab.dev/v1alpha1 is not served", f"install the chart's CRDs: {UPGRADE}")
    absent = [kind.resource.kind for kind in KINDS if kind.resource.kind not in served]
    if absent:
        return wrong("CRDs", f"missing: {', '.join(absent)}", UPGRADE)
    older, newer = [], []
    for kind in KINDS:
        ours, theirs = set(fields(schema(kind))), set(fields(served[kind.resource.kind]))
        older += [f"{kind.resource.kind}{path}" for path in sorted(ours - theirs)]
        newer += [f"{kind.resource.kind}{path}" for path in sorted(theirs - ours)]
    if older:
        return wrong("CRDs", f"older than this program, without {_listed(older)}", UPGRADE)
    if newer:
        return note("CRDs", f"newer than this program, which does not know {_listed(newer)}", "upgrade the program too")
    return well("CRDs", f"{len(KINDS)} kinds of trimtab.dev/v1alpha1, as this version knows them")


async def policies(survey: Surveys, release: str, acts: bool, namespace: str) -> Finding:
    """Whether answers are tied to whoever writes them, and our account is held."""
    there, refuses = await survey.policies(), await survey.refuses_foreign_answers(namespace)
    remedy = "helm upgrade, with admission.enabled on"
    wanted = {f"{release}-remediations", *({f"{release}-workloads"} if acts else ())}
    if refuses is False:
        return wrong("admission", "an answer in a Remediation is not tied to whoever writes it", remedy)
    if there is not None and not wanted <= there:
        return wrong("admission", f"missing: {', '.join(sorted(wanted - there))}", remedy)
    if there is None and refuses is None:
        return note("admission", "the policies can be neither listed nor tried with this account")
    if there is None:
        return well("admission", "a foreign answer is refused (tried without effect; policies are not ours to list)")
    return well("admission", f"policies {', '.join(sorted(wanted))} are there")


def fields(part: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Dotted paths of every property under spec and status."""
    for name, below in (part.get("properties") or {}).items():
        if path == "" and name not in {"spec", "status"}:
            continue
        yield f"{path}.{name}"
        yield from fields(below, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(part.get(inner), dict):
            yield from fields(part[inner], f"{path}[]")


def _listed(paths: list[str]) -> str:
    return ", ".join(paths[:SHOWN]) + (f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else "")
