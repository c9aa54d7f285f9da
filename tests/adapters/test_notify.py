"""What the webhook and PagerDuty send, what they repeat, and what they never tell."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from controller.adapters.pagerduty import PagerDutyNotify
from controller.adapters.webhook import WebhookNotify
from controller.errors import NotifyUnavailable
from controller.outgoing import Patience
from tests.adapters.receiver import Receiver, receiving
from tests.contracts.notify_contract import NOTICE

FAST = Patience(timeout=0.5, attempts=3, in_all=5.0, first_pause=0.01)
CANARY = "c4n4ry-t0ken"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def secrets() -> dict[str, str | None]:
    return {"webhook/secret": "first", "pagerduty/key": CANARY}


@pytest.fixture
async def webhook(receiver: Receiver, secrets: dict[str, str | None]) -> AsyncIterator[WebhookNotify]:
    made = WebhookNotify(f"{receiver.url}/hook/{CANARY}?token={CANARY}", secrets.get, FAST)
    yield made
    await made.close()


@pytest.fixture
async def pagerduty(receiver: Receiver, secrets: dict[str, str | None]) -> AsyncIterator[PagerDutyNotify]:
    made = PagerDutyNotify(secrets.get, f"{receiver.url}/v2/enqueue", FAST)
    yield made
    await made.close()


async def test_the_webhook_says_everything_of_the_notice(webhook: WebhookNotify, receiver: Receiver) -> None:
    await webhook.send(NOTICE)

    (request,) = receiver.requests
    assert request.headers["Content-Type"] == "application/json"
    assert request.json == {
        "sender": "trimtab",
        "key": "INC-2041",
        "status": "open",
        "severity": "critical",
        "summary": NOTICE.summary,
        "source": "shop/Deployment/checkout",
        "details": {"reasons": "no runbook fits", "to": "group:sre-oncall"},
        "link": NOTICE.link,
    }


async def test_the_webhook_is_signed_with_the_secret_as_it_stands_now(
    webhook: WebhookNotify, receiver: Receiver, secrets: dict[str, str | None]
) -> None:
    await webhook.send(NOTICE)
    secrets["webhook/secret"] = "second"
    await webhook.send(NOTICE)
    secrets["webhook/secret"] = None
    await webhook.send(NOTICE)

    first, second, third = receiver.requests
    for request, secret in ((first, b"first"), (second, b"second")):
        expected = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
        assert request.headers["X-Trimtab-Signature-256"] == f"sha256={expected}"
    assert "X-Trimtab-Signature-256" not in third.headers


async def test_a_repetition_carries_the_same_idempotency_key_and_a_change_another(
    webhook: WebhookNotify, receiver: Receiver
) -> None:
    receiver.answers = [503, 0]
    await webhook.send(NOTICE)
    await webhook.send(replace(NOTICE, resolved=True))

    keys = [request.headers["Idempotency-Key"] for request in receiver.requests]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


@pytest.mark.parametrize("answer", [500, 503, 0, -1], ids=["500", "503", "broken off", "silent"])
async def test_what_may_help_is_tried_again(webhook: WebhookNotify, receiver: Receiver, answer: int) -> None:
    receiver.answers = [answer]

    await webhook.send(NOTICE)

    assert len(receiver.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 429, 302])
async def test_a_refusal_is_not_repeated_and_says_what_to_do(
    webhook: WebhookNotify, receiver: Receiver, status: int
) -> None:
    receiver.status, receiver.text = status, "no such\nintegration"

    with pytest.raises(NotifyUnavailable, match=f"status {status}: no such integration → "):
        await webhook.send(NOTICE)

    assert len(receiver.requests) == 1


async def test_retries_end(webhook: WebhookNotify, receiver: Receiver) -> None:
    receiver.status = 503

    with pytest.raises(NotifyUnavailable, match="status 503 → Check that it runs"):
        await webhook.send(NOTICE)

    assert len(receiver.requests) == 3


@pytest.mark.parametrize("status", [503, 400, 0])
async def test_s35_no_error_tells_the_address_or_the_key(
    webhook: WebhookNotify, pagerduty: PagerDutyNotify, receiver: Receiver, status: int
) -> None:
    """Addresses of incoming webhooks are secrets themselves."""
    receiver.status = status

    for notify in (webhook, pagerduty):
        with pytest.raises(NotifyUnavailable, match=r"127\.0\.0\.1") as refused:
            await notify.send(NOTICE)
        error: BaseException | None = refused.value
        while error is not None:
            assert CANARY not in f"{error} {error!r}"
            error = error.__cause__


@pytest.mark.parametrize("url", ["", "nowhere", "http://[", "ftp://example/x", "http://127.0.0.1:1/x"])
async def test_a_wrong_address_is_unavailable_with_the_setting_to_check(url: str) -> None:
    webhook = WebhookNotify(url, lambda name: None, FAST)

    with pytest.raises(NotifyUnavailable, match="webhook_url"):
        await webhook.send(NOTICE)

    await webhook.close()


async def test_pagerduty_is_triggered_and_resolved_under_one_key(
    pagerduty: PagerDutyNotify, receiver: Receiver
) -> None:
    await pagerduty.send(NOTICE)
    await pagerduty.send(replace(NOTICE, resolved=True))

    trigger, resolve = (request.json for request in receiver.requests)
    assert trigger == {
        "routing_key": CANARY,
        "dedup_key": "trimtab/INC-2041",
        "event_action": "trigger",
        "client": "trimtab",
        "client_url": NOTICE.link,
        "links": [{"href": NOTICE.link, "text": "The incident in trimtab"}],
        "payload": {
            "summary": NOTICE.summary,
            "source": "shop/Deployment/checkout",
            "severity": "critical",
            "custom_details": {"reasons": "no runbook fits", "to": "group:sre-oncall"},
        },
    }
    assert resolve == {"routing_key": CANARY, "dedup_key": "trimtab/INC-2041", "event_action": "resolve"}


async def test_pagerduty_gets_only_what_it_takes(pagerduty: PagerDutyNotify, receiver: Receiver) -> None:
    await pagerduty.send(replace(NOTICE, summary="x" * 3000, severity="apocalyptic", source="", key="k" * 400))

    body = receiver.requests[0].json
    assert len(body["payload"]["summary"]) == 1024
    assert len(body["dedup_key"]) == 255
    assert (body["payload"]["severity"], body["payload"]["source"]) == ("error", "trimtab")


async def test_pagerduty_without_a_key_says_where_it_belongs(
    pagerduty: PagerDutyNotify, receiver: Receiver, secrets: dict[str, str | None]
) -> None:
    secrets["pagerduty/key"] = None

    with pytest.raises(NotifyUnavailable, match="no secret pagerduty/key → Put the integration key"):
        await pagerduty.send(NOTICE)

    assert receiver.requests == []
