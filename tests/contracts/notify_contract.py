"""What every Notify promises, run on each: in memory, and on a server that behaves as its receiver does."""

from dataclasses import replace
from typing import Protocol

import pytest

from controller.errors import NotifyUnavailable
from controller.ports import Notice, Notify

NOTICE = Notice(
    key="INC-2041",
    summary="shop/checkout: crash-loops since 14:02 UTC",
    severity="critical",
    source="shop/Deployment/checkout",
    details={"reasons": "no runbook fits", "to": "group:sre-oncall"},
    link="https://trimtab.example/incidents/INC-2041",
)


class Stage(Protocol):
    """A notifier with its receiver."""

    @property
    def notify(self) -> Notify:
        """What is tested."""

    def open_alerts(self) -> dict[str, str]:
        """Key and summary of each alert that is open at the receiver."""

    def go_down(self) -> None:
        """Answer nothing any more."""

    def recover(self) -> None:
        """Answer again."""


class NotifyContract:
    """Subclasses give the fixture `stage`."""

    async def test_a_notice_opens_one_alert_however_often_it_is_sent(self, stage: Stage) -> None:
        for _ in range(3):
            await stage.notify.send(NOTICE)

        assert stage.open_alerts() == {"INC-2041": NOTICE.summary}

    async def test_resolving_closes_that_alert_only(self, stage: Stage) -> None:
        other = replace(NOTICE, key="INC-2042")
        await stage.notify.send(NOTICE)
        await stage.notify.send(other)

        await stage.notify.send(replace(NOTICE, resolved=True))

        assert set(stage.open_alerts()) == {"INC-2042"}

    async def test_resolving_what_never_opened_is_quiet(self, stage: Stage) -> None:
        await stage.notify.send(replace(NOTICE, resolved=True))

        assert stage.open_alerts() == {}

    async def test_a_receiver_that_is_down_is_unavailable_with_a_remedy_and_takes_it_later(self, stage: Stage) -> None:
        stage.go_down()
        with pytest.raises(NotifyUnavailable) as refused:
            await stage.notify.send(NOTICE)
        assert refused.value.remedy

        stage.recover()
        await stage.notify.send(NOTICE)

        assert set(stage.open_alerts()) == {"INC-2041"}

    @pytest.mark.parametrize(
        "text", ["", "x" * 5000, 'Grüße <!channel> & "quoted" \n two lines'], ids=["empty", "long", "odd"]
    )
    async def test_any_text_is_delivered(self, stage: Stage, text: str) -> None:
        await stage.notify.send(replace(NOTICE, summary=text, source=text, severity=text, details={"reasons": text}))

        assert set(stage.open_alerts()) == {"INC-2041"}
