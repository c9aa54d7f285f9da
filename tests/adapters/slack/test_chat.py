"""Only people's buttons count, connections come back, tokens rotate, and refusals say what to do."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from controller.adapters.slack import SlackChat
from controller.errors import ApiUnavailable, ChatUnavailable
from controller.ports import Click, Posted
from tests.adapters.slack.stage import SlackStage
from tests.contracts.chat_contract import ANSWERED, QUESTION, Recorder
from tests.controlplane.slack import BOT, SlackServer
from tests.controlplane.waiting import eventually


@pytest.fixture
async def stage(slack_server: SlackServer) -> AsyncIterator[SlackStage]:
    stage = SlackStage(slack_server, link="https://trimtab.example")
    yield stage
    await stage.chat.close()


async def test_s19_words_mentions_and_commands_are_acknowledged_and_never_count(stage: SlackStage) -> None:
    clicked = Recorder()
    await stage.chat.start(clicked)
    posted = await stage.chat.post("C1", QUESTION)
    await stage.connected()

    server = stage.server
    envelopes = [
        server.say("approve", thread_ts=posted.ts),
        server.say("<@U0BOT> approve INC-2041", kind="app_mention"),
        server.slash("/approve", "INC-2041"),
    ]
    for envelope in envelopes:
        await asyncio.to_thread(server.wait_acknowledged, envelope)

    assert clicked.clicks == []
    assert [m for m in server.messages if m.ephemeral_for] == []


async def test_s19_a_click_of_our_own_bot_never_counts(stage: SlackStage) -> None:
    clicked = Recorder()
    await stage.chat.start(clicked)
    posted = await stage.chat.post("C1", QUESTION)

    with capture_logs() as logs:
        await stage.press(posted, "approve", BOT)
        await stage.settle()

    assert clicked.clicks == []
    assert [entry["why"] for entry in logs if entry["event"] == "slack interaction ignored"] == ["not a person"]


async def test_a_click_is_acknowledged_before_it_is_handled(stage: SlackStage) -> None:
    """Slack gives three seconds; deciding may take longer."""
    go_on = asyncio.Event()

    async def slow(click: Click) -> str:
        await go_on.wait()
        return "done at last"

    await stage.chat.start(slow)
    posted = await stage.chat.post("C1", QUESTION)

    await stage.press(posted, "approve", "U7")
    go_on.set()

    assert await stage.told("U7") == "done at last"


async def test_a_slow_click_holds_up_nobody_else(stage: SlackStage) -> None:
    go_on = asyncio.Event()

    async def handle(click: Click) -> str:
        if click.user_id == "U7":
            await go_on.wait()
        return f"hello {click.user_id}"

    await stage.chat.start(handle)
    posted = await stage.chat.post("C1", QUESTION)
    await stage.press(posted, "approve", "U7")
    await stage.press(posted, "approve", "U8")

    assert await stage.told("U8") == "hello U8"
    go_on.set()
    assert await stage.told("U7") == "hello U7"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ApiUnavailable("the API server is away", "Try again."),
            "That did not work: the API server is away → Try again.",
        ),
        (RuntimeError("a bug with s3cret"), "it is not known how far it came"),
    ],
    ids=["known", "unknown"],
)
async def test_a_click_that_fails_is_told_to_the_person_and_the_next_one_works(
    stage: SlackStage, error: Exception, told: str
) -> None:
    failing = True

    async def handle(click: Click) -> str:
        if failing:
            raise error
        return "fine"

    with capture_logs() as logs:
        await stage.chat.start(handle)
        posted = await stage.chat.post("C1", QUESTION)
        await stage.press(posted, "approve", "U7")
        assert told in await stage.told("U7")

    assert "s3cret" not in await stage.told("U7")
    assert [entry["action"] for entry in logs if entry["event"] == "click failed"] == ["approve"]
    failing = False
    await stage.press(posted, "approve", "U8")
    assert await stage.told("U8") == "fine"


async def test_an_answer_stands_even_when_the_person_cannot_be_told(stage: SlackStage) -> None:
    clicked = Recorder()
    await stage.chat.start(clicked)
    posted = await stage.chat.post("C1", QUESTION)
    stage.server.fail("chat.postEphemeral", "user_not_in_channel")

    with capture_logs() as logs:
        await stage.press(posted, "approve", "U7")
        await eventually("the warning", lambda: [e for e in logs if e["event"] == "slack reply not shown"], every=0.02)

    assert len(clicked.clicks) == 1


async def test_a_full_plan_is_shown_to_the_person_as_it_is(stage: SlackStage) -> None:
    plan = "INC-2041: roll back\n\nExact diff\n-  image: <v42>\n+  image: v41 ```\n" + "x & y\n" * 2000
    await stage.chat.start(Recorder(plan))
    posted = await stage.chat.post("C1", QUESTION)

    await stage.press(posted, "plan", "U7")

    assert await stage.told("U7") == "INC-2041: roll back"
    shown = [m for m in stage.server.messages if m.ephemeral_for == "U7"][-1].blocks
    texts = [block["text"]["text"] for block in shown]
    assert "-  image: &lt;v42&gt;" in texts[1]
    assert all(text.count("```") == 2 for text in texts[1:])
    assert sum(text.count("x &amp; y") for text in texts) == 2000


async def test_a_dialogue_says_what_it_is_about_and_asks_again_for_a_reason(stage: SlackStage) -> None:
    clicked = Recorder("Rejected.")
    await stage.chat.start(clicked)
    posted = await stage.chat.post("C1", QUESTION)

    await stage.press(posted, "reject", "U7", "  ")
    view = stage.server.views[-1]
    assert "crash-loops since 14:02 UTC" in json.dumps(view["blocks"], ensure_ascii=False)
    assert list(stage.server.acks.values())[-1]["response_action"] == "errors"

    stage.server.submit_view(view, {"reason": "on second thought"}, "U7")
    assert await stage.told("U7") == "Rejected."
    assert clicked.clicks[0].reason == "on second thought"


async def test_a_dialogue_that_slack_does_not_open_is_said(stage: SlackStage) -> None:
    await stage.chat.start(Recorder())
    posted = await stage.chat.post("C1", QUESTION)
    stage.server.fail("views.open", "expired_trigger_id")
    await stage.connected()
    with capture_logs():
        stage.server.click(stage.message(posted), "reject", "U7")

        assert await stage.told("U7") == "Slack did not open the dialogue: click once more."


async def test_any_replica_takes_the_reason(stage: SlackStage, slack_server: SlackServer) -> None:
    """What the dialogue is about travels with it; no memory of the click is needed."""
    await stage.chat.start(Recorder())
    posted = await stage.chat.post("C1", QUESTION)
    await stage.connected()
    slack_server.click(stage.message(posted), "reject", "U7")
    await eventually("a dialogue", lambda: slack_server.views)
    await stage.chat.close()

    other, clicked = SlackStage(slack_server), Recorder("Rejected.")
    await other.chat.start(clicked)
    await other.connected()
    slack_server.submit_view(slack_server.views[0], {"reason": "v43 is coming"}, "U7")

    assert await other.told("U7") == "Rejected."
    assert (clicked.clicks[0].posted, clicked.clicks[0].value) == (posted, QUESTION.buttons[1].value)
    await other.chat.close()


@pytest.mark.parametrize("how", ["cut", "asked"])
async def test_the_connection_comes_back(stage: SlackStage, how: str) -> None:
    clicked = Recorder()
    await stage.chat.start(clicked)
    posted = await stage.chat.post("C1", QUESTION)
    await stage.connected()
    opened = len(stage.server.called("apps.connections.open"))

    if how == "cut":
        stage.server.drop_connections()
    else:
        stage.server.ask_to_reconnect()
    await eventually("a new one", lambda: len(stage.server.called("apps.connections.open")) > opened, every=0.05)
    await stage.press(posted, "approve", "U7")

    assert await stage.told("U7") == "Approved."


async def test_s35_tokens_are_read_again_when_they_change(stage: SlackStage) -> None:
    await stage.chat.start(Recorder())
    posted = await stage.chat.post("C1", QUESTION)
    stage.server.bot_token, stage.server.app_token = "xoxb-new", "xapp-new"

    with pytest.raises(ChatUnavailable, match="invalid_auth → Put a valid bot token"):
        await stage.chat.update(posted, ANSWERED)
    stage.tokens.update({"slack/bot-token": "xoxb-new", "slack/app-token": "xapp-new"})

    await stage.chat.update(posted, ANSWERED)
    await stage.chat.update(posted, QUESTION)
    opened = len(stage.server.called("apps.connections.open"))
    stage.server.drop_connections()
    await eventually("a new one", lambda: len(stage.server.called("apps.connections.open")) > opened, every=0.05)
    await stage.press(posted, "approve", "U7")
    assert await stage.told("U7") == "Approved."


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_a_rate_limit_is_waited_for(stage: SlackStage, method: str) -> None:
    posted = await stage.chat.post("C1", QUESTION)
    stage.server.rate_limit(method, retry_after=1)

    if method == "chat.update":
        await stage.chat.update(posted, ANSWERED)
    else:
        await stage.chat.post("C1", QUESTION)

    assert len(stage.server.called(method)) == 2 + (method == "chat.postMessage")


async def test_a_rate_limit_beyond_patience_is_unavailable_at_once(stage: SlackStage) -> None:
    stage.server.rate_limit("chat.postMessage", retry_after=600)

    with pytest.raises(ChatUnavailable, match="ratelimited → Nothing: it is sent again later"):
        await stage.chat.post("C1", QUESTION)

    assert stage.server.messages == []


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("channel_not_found", "Check the channel (chart: slack.channel; settings: slack_channel)"),
        ("not_in_channel", "Invite the app"),
        ("is_archived", "not archived"),
        ("missing_scope", "Add the scope chat:write"),
        ("invalid_auth", "secret slack/bot-token"),
        ("account_inactive", "secret slack/bot-token"),
        ("something_new", "https://docs.slack.dev"),
    ],
)
async def test_a_refusal_says_what_to_do(stage: SlackStage, code: str, remedy: str) -> None:
    stage.server.fail("chat.postMessage", code)

    with pytest.raises(ChatUnavailable, match=code) as refused:
        await stage.chat.post("C1", QUESTION)

    assert remedy in refused.value.remedy


@pytest.mark.parametrize("code", ["missing_scope", "not_allowed_token_type"])
async def test_a_token_that_may_not_connect_names_the_scope(stage: SlackStage, code: str) -> None:
    stage.server.fail("apps.connections.open", code, times=2)

    for asked in (stage.chat.start(Recorder()), stage.chat.probe()):
        with pytest.raises(ChatUnavailable, match="Create an app-level token with connections:write"):
            await asked


@pytest.mark.parametrize("name", ["slack/bot-token", "slack/app-token"])
async def test_a_missing_secret_is_named_and_may_come_later(stage: SlackStage, name: str) -> None:
    token, stage.tokens[name] = stage.tokens[name], None
    with pytest.raises(ChatUnavailable, match=f"There is no secret {name} → Create"):
        await stage.chat.start(Recorder())

    stage.tokens[name] = token
    await stage.chat.start(Recorder())
    await stage.connected()


async def test_the_probe_says_who_we_are_and_posts_nothing(stage: SlackStage) -> None:
    assert await stage.chat.probe("#sre") == "Slack: trimtab in Test, posts to #sre"
    assert stage.server.messages == []


async def test_an_address_where_nobody_answers_is_unavailable_without_the_token() -> None:
    chat = SlackChat(lambda name: "xoxb-c4n4ry", base_url="http://127.0.0.1:1/api/", timeout=1)

    for asked in (chat.start(Recorder()), chat.post("C1", QUESTION), chat.probe()):
        with pytest.raises(ChatUnavailable, match=r"did not answer .*slack_api_url") as refused:
            await asked
        assert "c4n4ry" not in f"{refused.value} {refused.value.__cause__!r}"
    await chat.close()


async def test_closing_lets_a_click_finish(stage: SlackStage) -> None:
    begun = asyncio.Event()

    async def handle(click: Click) -> str:
        begun.set()
        await asyncio.sleep(0.1)
        return "finished"

    await stage.chat.start(handle)
    posted = await stage.chat.post("C1", QUESTION)
    await stage.press(posted, "approve", "U7")
    await begun.wait()

    await stage.chat.close()

    assert await stage.told("U7") == "finished"
    assert stage.server.connections == 0


async def test_a_message_in_a_named_channel_is_updated_where_it_stands(stage: SlackStage) -> None:
    posted = await stage.chat.post("C1", replace(QUESTION, mention=("group:sre-oncall", "bob")))

    assert posted == Posted("C1", stage.server.messages[0].ts)
    assert "for <!subteam^S0SRE> bob" in stage.server.messages[0].plain
