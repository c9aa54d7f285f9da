"""The program as it runs on a lab in tests: one approver, rounds as short as the lab's steps allow."""

from pathlib import Path
from typing import Any

from controller.demo.settings import LabSettings
from controller.settings import BudgetSettings, People, PolicyDefaults


def lab_settings(folder: Path, namespace: str, **more: Any) -> LabSettings:
    """Its files in this folder, its actions in this namespace; whatever else differs is named."""
    return LabSettings(
        identity="lab",
        act_namespaces=[namespace],
        people=People(approvers=["mara"]),
        database_url=f"sqlite:///{folder / 'lab.db'}",
        secrets=folder / "secrets",
        budgets=BudgetSettings(cluster=100),
        policy_defaults=PolicyDefaults(mode="Approve", preset="http"),
        workers=0,
        lease_seconds=60.0,
        renew_seconds=20.0,
        round_seconds=15.0,
        acting_round_seconds=5.0,
        **more,
    )
