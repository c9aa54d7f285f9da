"""What a message looks like: six facts, escaped, within Slack's limits, cut with words that say so."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.slack.blocks import blocks, fallback, render_text, reply
from controller.adapters.slack.text import escape, fitted, linked, unescape
from controller.ports import Button, Message
from tests.controlplane.slack import _check_blocks

VALUE = "INC-2041 7f3a7f3a7f3a7f3a"
QUESTION = Message(
    key="INC-2041",
    headline="● shop/checkout crash-loops since 14:02 UTC",
    facts=(
        ("What", "7 of 12 pods restart, errors 4.1 % (expected 0.1–0.3 %, p = 3·10⁻⁹)"),
        ("Cause", "rollout of v42 at 14:00 (0.93); v41 ran 6 d without a restart"),
        ("Change", "deployment/checkout: template of v42 → that of v41 (image, env LOG_LEVEL)"),
        ("Touches", "12 pods of 1 workload; 1 of 3 actions this hour"),
        ("Undo", "cannot be taken back automatically; if it gets worse, you are told"),
        ("Confidence", "0.87 (at least 0.78); acts alone from 0.90: 19 of 21 like this worked"),
    ),
    footer="expires 14:17 UTC · INC-2041 · https://trimtab.example/incidents/INC-2041",
    buttons=(
        Button("approve", "Approve the rollback", VALUE, style="primary"),
        Button("reject", "Reject…", VALUE, style="danger", asks_reason=True),
        Button("plan", "Full plan", VALUE),
        Button("pause", "Pause automation", VALUE, asks_reason=True),
    ),
)
AS_TEXT = """\
● shop/checkout crash-loops since 14:02 UTC
  expires 14:17 UTC · INC-2041 · https://trimtab.example/incidents/INC-2041
  What        7 of 12 pods restart, errors 4.1 % (expected 0.1–0.3 %, p = 3·10⁻⁹)
  Cause       rollout of v42 at 14:00 (0.93); v41 ran 6 d without a restart
  Change      deployment/checkout: template of v42 → that of v41 (image, env LOG_LEVEL)
  Touches     12 pods of 1 workload; 1 of 3 actions this hour
  Undo        cannot be taken back automatically; if it gets worse, you are told
  Confidence  0.87 (at least 0.78); acts alone from 0.90: 19 of 21 like this worked
  [Approve the rollback]  [Reject…]  [Full plan]  [Pause automation]"""

messages = st.builds(
    Message,
    key=st.just("INC-1"),
    headline=st.text(max_size=400),
    facts=st.lists(st.tuples(st.text(min_size=1, max_size=20), st.text(max_size=4000)), max_size=60).map(tuple),
    footer=st.text(max_size=4000),
    buttons=st.lists(
        st.builds(
            Button,
            action=st.sampled_from(("approve", "reject", "plan")),
            text=st.text(max_size=200),
            value=st.text(max_size=3000),
            style=st.sampled_from(("", "primary", "danger", "blue")),
            asks_reason=st.booleans(),
        ),
        max_size=3,
        unique_by=lambda button: button.action,
    ).map(tuple),
    mention=st.lists(st.text(min_size=1, max_size=20), max_size=2).map(tuple),
)


def test_a_question_reads_as_six_facts_and_one_decision() -> None:
    assert render_text(blocks(QUESTION)) == AS_TEXT


def test_an_answered_question_shows_the_outcome_where_the_buttons_were() -> None:
    answered = replace(QUESTION, footer="✔ Rolled back by @mara at 14:05 · verified 14:13", buttons=())

    shown = blocks(answered)

    assert [block["type"] for block in shown] == ["header", *["section"] * 7]
    assert render_text(shown).splitlines()[-1] == "  ✔ Rolled back by @mara at 14:05 · verified 14:13"


@given(messages)
def test_whatever_is_in_it_slack_takes_it(message: Message) -> None:
    shown = blocks(message)

    _check_blocks(shown)
    json.dumps(shown)
    assert all(0 < len(text["text"]) <= 3000 for text in texts(shown))
    assert 0 < len(fallback(message)) <= 4000
    assert render_text(shown)


@given(messages)
def test_s32_nothing_in_it_is_markup_but_our_own(message: Message) -> None:
    for text in texts(blocks(message)):
        assert ">" not in text["text"]
        assert "<" not in text["text"]
        assert text["type"] == "plain_text" or text["verbatim"]


def texts(found: Any) -> Iterator[dict[str, Any]]:
    """Every text object."""
    if isinstance(found, list):
        for each in found:
            yield from texts(each)
    elif isinstance(found, dict):
        if isinstance(found.get("text"), str):
            yield found
        for value in found.values():
            yield from texts(value)


@pytest.mark.parametrize("hostile", ["<!channel>", "<@U0BOSS>", "<https://evil.example|the plan>", "a & b < c"])
def test_s32_a_hostile_label_is_the_characters_it_is(hostile: str) -> None:
    shown = blocks(replace(QUESTION, headline=hostile, facts=(("What", hostile),), footer=hostile))

    assert hostile not in json.dumps(shown)
    assert render_text(shown).count(hostile) == 3


def test_only_our_own_addresses_are_links() -> None:
    shown = json.dumps(blocks(QUESTION, "https://trimtab.example"))
    assert "<https://trimtab.example/incidents/INC-2041>" in shown

    assert (
        linked("see https://trimtab.example.evil/x", "https://trimtab.example") == "see https://trimtab.example.evil/x"
    )
    assert linked("https://trimtab.example/a|b>", "https://trimtab.example") == "https://trimtab.example/a|b&gt;"
    assert linked("https://evil.example/", "") == "https://evil.example/"


def test_what_was_cut_says_so() -> None:
    many = tuple((f"F{i}", "x" * 5000) for i in range(45))

    shown = blocks(replace(QUESTION, headline="h" * 400, facts=many))

    assert shown[0]["text"]["text"].endswith("… (cut)")
    assert shown[2]["text"]["text"].endswith("… (cut)")
    assert shown[-2]["text"]["text"] == "… and 5 more facts (cut)"


@given(st.text(), st.integers(10, 50))
def test_cut_text_never_ends_within_an_entity(text: str, limit: int) -> None:
    cut = fitted(text, limit)

    assert len(cut) <= limit
    shown = unescape(cut)
    assert text == shown or text.startswith(shown.removesuffix("… (cut)"))


@given(st.text())
def test_escaping_loses_nothing(text: str) -> None:
    if "&" not in text:
        assert unescape(escape(text)) == text


def test_a_decision_is_confirmed_unless_it_asks_for_a_reason() -> None:
    (row,) = [block for block in blocks(QUESTION) if block["type"] == "actions"]

    confirmed = {element["action_id"]: "confirm" in element for element in row["elements"]}

    assert confirmed == {"approve": True, "reject": False, "plan": False, "pause": False}


@given(st.text(max_size=20_000))
def test_any_answer_can_be_shown(sentence: str) -> None:
    text, shown = reply(sentence)

    _check_blocks(shown)
    assert text
