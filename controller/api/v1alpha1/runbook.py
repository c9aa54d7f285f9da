"""Runbook and ClusterRunbook as served: the spec of `runbooks.schema`, and what trimtab says about it.

A Runbook acts in its own namespace, a ClusterRunbook everywhere, which is why it belongs to administrators. The file
format stays with the runbooks; this module only adds what a cluster adds.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.api.shapes import AGE, Column, Conditions, CustomKind, Line, Shape, resource
from runbooks.schema import Runbook, Spec


class RunbookStatus(Shape):
    """What trimtab makes of the runbook. Conditions: Accepted, Permitted."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation this was said of."""
    record: Line = ""
    """Its verified outcomes, such as 19/21."""
    conditions: Conditions = ()
    """Accepted: it can be used, or why not. Permitted: the account has the rights its steps need."""


_COLUMNS = (
    Column(name="Cause", path=".spec.cause"),
    Column(name="Accepted", path='.status.conditions[?(@.type=="Accepted")].status'),
    Column(name="Permitted", path='.status.conditions[?(@.type=="Permitted")].status'),
    Column(name="Record", path=".status.record"),
    Column(name="Summary", path=".spec.summary", priority=1),
    AGE,
)

RUNBOOK = resource("Runbook", "runbooks")
CLUSTER_RUNBOOK = resource("ClusterRunbook", "clusterrunbooks", namespaced=False)

KIND = CustomKind(
    resource=RUNBOOK, model=Runbook, spec=Spec, status=RunbookStatus, short_names=("rbk",), columns=_COLUMNS
)
CLUSTER_KIND = CustomKind(
    resource=CLUSTER_RUNBOOK, model=Runbook, spec=Spec, status=RunbookStatus, short_names=("crbk",), columns=_COLUMNS
)
