"""The settings of a program on a lab: nothing of the surroundings counts, neither variables nor files."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from controller.ports import Person
from controller.settings import BudgetSettings, People, Settings

STORE = "demo.db"
"""The file of the log."""
KEY_FILE = "you.token"
"""The file with a token of the lab's person, as long as the demo runs."""
YOU = Person("you")
"""Whoever watches: the one person of the lab, who may answer its questions."""


class LabSettings(Settings):
    """Settings from the code alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A variable that is meant for a cluster has no say here."""
        return (init_settings,)


def lab_settings(folder: Path, namespaces: list[str], public_url: str = "") -> Settings:
    """A store in this folder, one person who may answer, and all namespaces of the fleet to act in."""
    return LabSettings(
        identity="lab",
        act_namespaces=namespaces,
        people=People(approvers=[f"user:{YOU.name}"]),
        database_url=f"sqlite:///{folder / STORE}",
        secrets=folder / "secrets",
        public_url=public_url,
        budgets=BudgetSettings(namespace=10, cluster=20),
        lease_seconds=180.0,
        renew_seconds=60.0,
        round_seconds=20.0,
        acting_round_seconds=10.0,
        follow_seconds=20.0,
        workers=0,
    )
