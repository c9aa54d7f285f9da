import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.slack.blocks import blocks
from controller.core.budget import Spent
from controller.core.message import Background, message, parse_value, plan_text, value_of
from controller.core.policy import NEVER, Policy
from controller.ports import Message
from tests.core import samples
from tests.core.samples import Tale

BACKGROUND = Background(
    history=samples.history(samples.repaired()),
    policy=Policy(),
    spent=Spent({"actions:namespace:shop": 0.0}),
    link="https://trimtab.test/incidents/INC-2041",
)


def shown(tale: Tale, background: Background = BACKGROUND) -> Message:
    found = message(tale.numbered, background)
    assert found is not None
    return found


def test_a_question_is_six_facts_and_one_decision() -> None:
    asked = shown(samples.asked())

    assert asked.key == "INC-2041"
    assert asked.headline == "● shop/checkout crash-loops since 14:02 UTC"
    assert asked.footer == "expires 14:17 UTC · INC-2041 · https://trimtab.test/incidents/INC-2041"
    assert dict(asked.facts) == {
        "What": "7 of 12 pods restart, errors 4.1 % (expected 0.1–0.3 %, p = 3·10⁻⁹)",
        "Cause": "bad rollout (0.93); all failing pods are v42, none of v41; v41 ran 6 d without a restart",
        "Change": "deployment/checkout: template of v42 → that of v41 (env LOG_LEVEL, image); "
        "not restored: ConfigMap checkout, the image behind registry.test/checkout:v41, migrations",
        "Touches": "7 pods of 1 workload; 1 of 3 actions in shop this hour",
        "Undo": "cannot be taken back automatically; if it gets worse, you are told",
        "Confidence": "0.87 (at least 0.78); acts alone from 0.90: 19 of 21 like this worked (INC-2041)",
    }
    assert [button.text for button in asked.buttons] == [
        "Approve the rollback",
        "Reject…",
        "Full plan",
        "Pause automation",
    ]
    assert [button.asks_reason for button in asked.buttons] == [False, True, False, True]


def test_every_button_carries_the_incident_and_the_digest_of_the_plan_that_was_read() -> None:
    tale = samples.asked()

    assert {parse_value(button.value) for button in shown(tale).buttons} == {("INC-2041", tale.digest)}


@pytest.mark.parametrize("name", sorted(set(samples.ALL) - {"asked"}))
def test_buttons_are_gone_once_no_answer_counts(name: str) -> None:
    """S22: what stands in their place is the outcome."""
    message_ = shown(samples.ALL[name]())

    assert message_.buttons == ()
    assert message_.footer[0] in "✔✖◐○"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("repaired", "✔ Rolled back to v41 by @mara at 14:05 · verified 14:13: errors 0.2 % for 5 min, 12/12 ready"),
        ("rejected", "✖ Rejected by @mara at 14:05: v42 carries the fix for the invoice job"),
        ("expired", "✖ Handed over to a person: nobody answered in time"),
        ("superseded", "◐ Plan DIGEST is void since 14:04: the template was changed by helm"),
        ("frozen", "◐ Waits to roll back to v41: freeze black-friday until 22:00 UTC"),
        ("paused", "✖ Nothing is done: automation is paused: network maintenance"),
        ("observed", "○ Observed only; would have asked whether to roll back to v41"),
        (
            "harmful",
            (
                "✖ Memory limit raised to 384Mi by trimtab alone at 14:05 · taken back after it got worse: "
                "the memory limit is 256Mi again"
            ),
        ),
        (
            "ineffective",
            (
                "✖ Rolled back to v41 by @mara at 14:05 · ineffective at 14:13: errors 4.0 % after 10 min, 12/12 ready"
                " · a person has to take it"
            ),
        ),
        ("refused_write", "✖ Not carried out at 14:05: deployments.apps is forbidden for this account"),
        ("unsettled", "◐ Approved by @mara at 14:05; about to roll back to v41"),
        ("cleared", "✔ Over at 14:08: no symptom for 2 min"),
    ],
)
def test_the_outcome_is_one_line(name: str, line: str) -> None:
    tale = samples.ALL[name]()
    digest = f"{tale.digest[:4]}…" if "DIGEST" in line else ""

    assert shown(tale).footer == line.replace("DIGEST", digest)


def test_an_undoable_plan_says_how_it_is_taken_back() -> None:
    tale = Tale("INC-7", samples.SEARCH).opened().proposed(samples.limits_plan()).decided().asked()

    assert dict(shown(tale).facts)["Undo"].startswith("taken back at once if it gets worse")
    assert shown(tale).buttons[0].text == "Approve the new limit"


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (Policy(automatic_above=NEVER), "0.87 (at least 0.78); never acts alone: 19 of 21 like this worked (INC-2041)"),
        (
            Policy(min_verified=50),
            "0.87 (at least 0.78); acts alone from 0.90 and 50 verified outcomes: 19 of 21 like this worked (INC-2041)",
        ),
    ],
    ids=["never", "too-few"],
)
def test_the_confidence_says_from_where_it_would_act_alone(policy: Policy, text: str) -> None:
    background = Background(BACKGROUND.history, policy, BACKGROUND.spent)

    assert dict(shown(samples.asked(), background).facts)["Confidence"] == text


def test_a_cold_start_claims_no_record() -> None:
    tale = Tale().opened().proposed(confidence=samples.cold_start()).decided().asked()

    assert dict(shown(tale).facts)["Confidence"].endswith("nothing like this has been tried yet")


def test_nothing_is_made_up_where_the_background_is_missing() -> None:
    facts = dict(shown(samples.asked(), Background()).facts)

    assert facts["Touches"] == "7 pods of 1 workload"
    assert facts["Confidence"] == "0.87 (at least 0.78): 19 of 21 like this worked"


def test_who_was_reached_by_escalation_is_mentioned_while_the_question_is_open() -> None:
    from controller.core.events import Escalated

    tale = samples.asked()
    tale.add(Escalated(samples.at("14:12:41"), tale.digest, "group:sre-oncall"))

    assert shown(tale).mention == ("group:sre-oncall",)
    assert shown(samples.expired()).mention == ()


def test_hostile_text_is_one_line_without_control_characters() -> None:
    message_ = shown(samples.hostile())
    texts = [message_.headline, message_.footer, *(value for _, value in message_.facts)]

    assert all(text.isprintable() for text in texts)


def test_hostile_text_is_no_markup_in_slack() -> None:
    shown_blocks = blocks(shown(samples.hostile()))
    marked = [block["text"]["text"] for block in shown_blocks if block.get("text", {}).get("type") == "mrkdwn"]

    assert any("&lt;!channel&gt;" in text for text in marked)
    assert not any("<" in text or ">" in text for text in marked)


@given(st.text(max_size=80))
def test_a_value_that_is_not_ours_is_none(value: str) -> None:
    parsed = parse_value(value)

    assert parsed is None or value_of(*parsed) == value


def test_the_full_plan_shows_the_exact_diff_and_what_it_does_not_bring_back() -> None:
    tale = samples.asked()
    text = plan_text(tale.incident)

    assert tale.plan.diff.rstrip() in text
    assert all(line in text for line in tale.plan.not_restored)
    assert tale.digest in text
    assert "generation 17" in text
    assert "cannot be taken back automatically" in text


def test_an_incident_without_a_plan_says_so() -> None:
    assert plan_text(samples.unplanned().incident) == "INC-2041 has no plan."
