"""The Slack stand-in holds a real conversation with the real slack-bolt."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from tests.controlplane.errors import FixtureError
from tests.controlplane.slack import SlackServer
from tests.controlplane.waiting import eventually

BLOCKS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "checkout crash-loops"}},
    {
        "type": "actions",
        "block_id": "answer",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "value": "7f3a",
                "text": {"type": "plain_text", "text": "Approve"},
            },
            {
                "type": "button",
                "action_id": "reject",
                "value": "7f3a",
                "text": {"type": "plain_text", "text": "Reject…"},
            },
        ],
    },
]
REASON: dict[str, Any] = {
    "type": "modal",
    "callback_id": "reason",
    "title": {"type": "plain_text", "text": "Why?"},
    "submit": {"type": "plain_text", "text": "Reject"},
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


@dataclass
class Bolt:
    """An application as an adapter would write it."""

    client: AsyncWebClient
    handler: AsyncSocketModeHandler
    clicks: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


@pytest.fixture
async def bolt(slack_server: SlackServer) -> AsyncIterator[Bolt]:
    client = AsyncWebClient(token=slack_server.bot_token, base_url=slack_server.base_url)
    app = AsyncApp(client=client)
    handler = AsyncSocketModeHandler(
        app, slack_server.app_token, web_client=AsyncWebClient(base_url=slack_server.base_url), ping_interval=1
    )
    made = Bolt(client, handler)

    @app.action("approve")
    async def approve(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        made.clicks.append(body)
        await client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text="approved", blocks=[])

    @app.action("reject")
    async def reject(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=REASON)

    @app.view("reason")
    async def reason(ack: Any, view: dict[str, Any]) -> None:
        typed = view["state"]["values"]["why"]["text"]["value"]
        await ack(response_action="errors", errors={"why": "say more"}) if len(typed) < 3 else await ack()
        made.reasons.append(typed)

    await handler.connect_async()  # type: ignore[no-untyped-call]  # slack-bolt types its handlers only in part
    await asyncio.to_thread(slack_server.wait_connected)
    yield made
    await handler.close_async()  # type: ignore[no-untyped-call]  # slack-bolt types its handlers only in part


async def test_a_click_is_acknowledged_and_updates_the_message_in_place(slack_server: SlackServer, bolt: Bolt) -> None:
    await bolt.client.chat_postMessage(channel="C1", text="a question", blocks=BLOCKS)
    (message,) = slack_server.messages
    assert message.action_ids == ["approve", "reject"]
    assert "checkout crash-loops" in message.plain

    envelope = slack_server.click(message, "approve", slack_server.add_user("U7", "mara"))
    await eventually("the click is acknowledged", lambda: envelope.envelope_id in slack_server.acks)
    await eventually("the message is updated", lambda: message.text == "approved")

    assert slack_server.messages == [message]
    assert bolt.clicks[0]["user"]["id"] == "U7"
    assert bolt.clicks[0]["actions"][0]["value"] == "7f3a"
    with pytest.raises(FixtureError, match="shows no 'approve'"):
        slack_server.click(message, "approve")
    late = slack_server.click(message, "approve", stale=True)
    await eventually("a click on the old buttons arrives too", lambda: late.acknowledged)


async def test_a_rejection_asks_for_its_reason_and_a_trigger_works_once(slack_server: SlackServer, bolt: Bolt) -> None:
    await bolt.client.chat_postMessage(channel="C1", text="a question", blocks=BLOCKS)
    slack_server.click(slack_server.messages[0], "reject")
    await eventually("the modal opens", lambda: slack_server.views)

    short = slack_server.submit_view(slack_server.views[0], {"why": "no"})
    answer = await asyncio.to_thread(slack_server.wait_acknowledged, short)
    assert answer["response_action"] == "errors"
    slack_server.submit_view(slack_server.views[0], {"why": "the deploy window is open"})
    await eventually("the reason arrives", lambda: bolt.reasons == ["no", "the deploy window is open"])

    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        await bolt.client.views_open(trigger_id="trigger-1", view=REASON)


async def test_a_replayed_envelope_arrives_twice(slack_server: SlackServer, bolt: Bolt) -> None:
    await bolt.client.chat_postMessage(channel="C1", text="a question", blocks=BLOCKS)
    envelope = slack_server.click(slack_server.messages[0], "approve")
    await eventually("the click arrives", lambda: len(bolt.clicks) == 1)

    slack_server.replay(envelope)

    await eventually("it arrives again", lambda: len(bolt.clicks) == 2)
    assert bolt.clicks[0]["trigger_id"] == bolt.clicks[1]["trigger_id"]


async def test_a_dropped_connection_is_taken_up_again(slack_server: SlackServer, bolt: Bolt) -> None:
    slack_server.drop_connections()
    assert slack_server.connections == 0
    await eventually("bolt comes again", lambda: slack_server.connections == 1)

    await bolt.client.chat_postMessage(channel="C1", text="a question", blocks=BLOCKS)
    slack_server.click(slack_server.messages[0], "approve")
    await eventually("the click arrives", lambda: len(bolt.clicks) == 1)


async def test_an_event_reaches_one_of_two_connections(slack_server: SlackServer, bolt: Bolt) -> None:
    other = AsyncSocketModeHandler(
        AsyncApp(client=bolt.client), slack_server.app_token, web_client=AsyncWebClient(base_url=slack_server.base_url)
    )
    await other.connect_async()  # type: ignore[no-untyped-call]  # slack-bolt types its handlers only in part
    await eventually("both are connected", lambda: slack_server.connections == 2)

    envelope = slack_server.say("approve it", user="U2")

    await asyncio.sleep(0.2)
    assert envelope.sent == 1
    await other.close_async()  # type: ignore[no-untyped-call]  # slack-bolt types its handlers only in part


async def test_rate_limits_and_errors_come_as_slack_sends_them(slack_server: SlackServer, bolt: Bolt) -> None:
    slack_server.rate_limit("chat.postMessage", retry_after=1)
    with pytest.raises(SlackApiError) as limited:
        await bolt.client.chat_postMessage(channel="C1", text="x")
    assert (limited.value.response.status_code, limited.value.response.headers["Retry-After"]) == (429, "1")

    slack_server.rate_limit("chat.postMessage", retry_after=0)
    patient = AsyncWebClient(token=slack_server.bot_token, base_url=slack_server.base_url)
    patient.retry_handlers.append(AsyncRateLimitErrorRetryHandler())
    assert (await patient.chat_postMessage(channel="C1", text="patience"))["ok"]

    slack_server.fail("users.info", "fatal_error")
    for expected in ("fatal_error", "user_not_found"):
        with pytest.raises(SlackApiError, match=expected):
            await bolt.client.users_info(user="U404")
    with pytest.raises(SlackApiError, match="message_not_found"):
        await bolt.client.chat_update(channel="C1", ts="1.1", text="x")
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await AsyncWebClient(token="xoxb-other", base_url=slack_server.base_url).auth_test()
    with pytest.raises(SlackApiError, match="invalid_blocks"):
        await bolt.client.chat_postMessage(channel="C1", text="x", blocks=[BLOCKS[0]] * 51)


async def test_an_ephemeral_message_is_for_one_person(slack_server: SlackServer, bolt: Bolt) -> None:
    await bolt.client.chat_postEphemeral(channel="C1", user="U9", text="you may not")

    assert [(one.text, one.ephemeral_for) for one in slack_server.messages] == [("you may not", "U9")]
