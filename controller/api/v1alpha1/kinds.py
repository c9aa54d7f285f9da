"""Every kind of the group, in the order people meet them."""

from __future__ import annotations

from controller.api.shapes import CustomKind
from controller.api.v1alpha1 import automationpause, plannedevent, remediation, runbook, servicepolicy
from controller.api.v1alpha1.automationpause import AUTOMATION_PAUSE
from controller.api.v1alpha1.plannedevent import PLANNED_EVENT
from controller.api.v1alpha1.remediation import REMEDIATION
from controller.api.v1alpha1.runbook import CLUSTER_RUNBOOK, RUNBOOK
from controller.api.v1alpha1.servicepolicy import SERVICE_POLICY

__all__ = [
    "AUTOMATION_PAUSE",
    "CLUSTER_RUNBOOK",
    "KINDS",
    "PLANNED_EVENT",
    "REMEDIATION",
    "RUNBOOK",
    "SERVICE_POLICY",
]

KINDS: tuple[CustomKind, ...] = (
    servicepolicy.KIND,
    runbook.KIND,
    runbook.CLUSTER_KIND,
    plannedevent.KIND,
    remediation.KIND,
    automationpause.KIND,
)
