"""The notify contract on the generic webhook and on PagerDuty's Events v2, each before a server of its own."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.adapters.pagerduty import PagerDutyNotify
from controller.adapters.webhook import WebhookNotify
from controller.outgoing import Patience
from controller.ports import Notify
from tests.adapters.receiver import Receiver, receiving
from tests.contracts.notify_contract import NotifyContract, Stage

FAST = Patience(timeout=1.0, attempts=2, in_all=3.0, first_pause=0.01)


class HttpStage:
    def __init__(self, notify: Notify, receiver: Receiver) -> None:
        self.notify = notify
        self.receiver = receiver

    def open_alerts(self) -> dict[str, str]:
        """As a receiver that deduplicates by key would show them."""
        found: dict[str, str] = {}
        for request in self.receiver.requests:
            key, summary = read(request.json)
            if summary is None:
                found.pop(key, None)
            else:
                found[key] = summary
        return found

    def go_down(self) -> None:
        self.receiver.status = 503

    def recover(self) -> None:
        self.receiver.status = 202
        self.receiver.requests.clear()


def read(body: dict[str, Any]) -> tuple[str, str | None]:
    """Key and summary of a message, no summary when it resolves."""
    if "dedup_key" in body:
        key = body["dedup_key"].removeprefix("trimtab/")
        return key, body["payload"]["summary"] if body["event_action"] == "trigger" else None
    return body["key"], None if body["status"] == "resolved" else body["summary"]


class TestWebhookNotify(NotifyContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async with receiving() as receiver:
            notify = WebhookNotify(f"{receiver.url}/hook", lambda name: None, FAST)
            yield HttpStage(notify, receiver)
            await notify.close()


class TestPagerDutyNotify(NotifyContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async with receiving() as receiver:
            notify = PagerDutyNotify(lambda name: "r0ut1ng", f"{receiver.url}/v2/enqueue", FAST)
            yield HttpStage(notify, receiver)
            await notify.close()
