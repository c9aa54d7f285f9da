"""The notify contract in memory."""

import pytest

from controller.adapters.memory.notify import MemoryNotify
from tests.contracts.notify_contract import NotifyContract, Stage


class MemoryStage:
    def __init__(self) -> None:
        self.notify = MemoryNotify()

    def open_alerts(self) -> dict[str, str]:
        return {key: notice.summary for key, notice in self.notify.open.items()}

    def go_down(self) -> None:
        self.notify.down = "connection refused"

    def recover(self) -> None:
        self.notify.down = ""


class TestMemoryNotify(NotifyContract):
    @pytest.fixture
    def stage(self) -> Stage:
        return MemoryStage()
