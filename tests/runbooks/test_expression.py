"""Conditions: three-valued, strict about names, and impossible to crash."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks import expression
from runbooks.evidence import FACTS, Evidence, Value
from runbooks.expression import Broken, Fails, Fault, Holds, Known, Truth, Unknown, evaluate, faults, uses

CRASHING = "objects.crashLooping.share >= 0.5"

TYPED: dict[str, st.SearchStrategy[Value]] = {
    "bool": st.booleans(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(max_size=20),
    "duration": st.timedeltas(timedelta(days=-3000), timedelta(days=3000)),
    "list": st.lists(st.sampled_from(["HighErrors", "Slow", "ä"]), max_size=5).map(tuple),
}
ANYTHING: st.SearchStrategy[Value] = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.timedeltas(),
    st.lists(st.text(max_size=5), max_size=5).map(tuple),
)
EVERY_FACT = st.fixed_dictionaries({fact.name: TYPED[fact.type] for fact in FACTS})
CONDITIONS = (
    *(f"{fact.name}" for fact in FACTS if fact.type == "bool"),
    *(f"{fact.name} > 3" for fact in FACTS if fact.type == "int"),
    *(f"{fact.name} / 0.0 > 0.3 || true" for fact in FACTS if fact.type == "double"),
    *(f'{fact.name} < duration("30m")' for fact in FACTS if fact.type == "duration"),
    'alerts.names.exists(name, name.startsWith("High")) && replicas.ready * 2 / replicas.desired > 1',
    "(alerts.firing || signals.errors.abnormal) && !(replicas.ready < replicas.desired)",
    "alerts.names[2] == 'Slow' || true",
)


@pytest.mark.parametrize(
    ("text", "evidence", "truth"),
    [
        (CRASHING, {"objects.crashLooping.share": 0.5}, Holds()),
        (CRASHING, {"objects.crashLooping.share": 0.4}, Fails()),
        (CRASHING, {"objects.crashLooping.share": 1}, Holds()),
        (CRASHING, {}, Unknown(("objects.crashLooping.share",))),
        ('changes.rollout.age < duration("30m")', {"changes.rollout.age": timedelta(minutes=29)}, Holds()),
        ('"Slow" in alerts.names', {"alerts.names": ("Slow",)}, Holds()),
        ('"Slow" in alerts.names', {"alerts.names": ()}, Fails()),
        ("alerts.firing || alerts.count > 0", {"alerts.firing": True}, Unknown(("alerts.count",))),
        ("alerts.firing && alerts.count > 0", {"alerts.firing": False}, Unknown(("alerts.count",))),
        ("replicas.ready / replicas.desired == 1", {"replicas.ready": 1, "replicas.desired": 0}, Broken("")),
        ('alerts.names[3] == "x"', {"alerts.names": ()}, Broken("")),
    ],
    ids=["at", "below", "whole-number", "missing", "duration", "in", "not-in", "or", "and", "division", "index"],
)
def test_a_condition_holds_fails_or_cannot_be_told(text: str, evidence: Evidence, truth: Truth) -> None:
    answer = evaluate(text, evidence)

    assert type(answer) is type(truth)
    assert isinstance(answer, Broken) or answer == truth


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, "0.6", True, (), 10**400],
    ids=["nan", "inf", "minus-inf", "text", "bool", "list", "huge"],
)
def test_a_value_that_is_not_of_its_type_is_missing(value: Value) -> None:
    assert evaluate(CRASHING, {"objects.crashLooping.share": value}) == Unknown(("objects.crashLooping.share",))


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        (
            "objects.crashLoping.share >= 0.5",
            0,
            (
                "objects.crashLoping does not exist. Did you mean objects.crashLooping?"
                " (known: crashLooping, oomKilled, imagePull, …)"
            ),
        ),
        (
            "alerts.firing && objects.crashLooping.shar > 0.5",
            17,
            "objects.crashLooping.shar does not exist. Did you mean objects.crashLooping.share? (known: share, count)",
        ),
        (
            "objects.crashLooping > 0.5",
            0,
            "objects.crashLooping is a group of facts, not a fact. (known: share, count)",
        ),
        (
            "objekts.stuckRollout",
            0,
            "objekts does not exist. Did you mean objects? (known: objects, changes, replicas, …)",
        ),
        (
            "alerts.firing &&\n  replicas.redy > 1",
            19,
            "replicas.redy does not exist. Did you mean replicas.ready? (known: desired, ready, updated, …)",
        ),
        ("objects.crashLooping.share >= 1", 27, ">= cannot take (double, int): write whole numbers like 1.0"),
        ("replicas.ready", 0, "gives int, not true or false"),
        ("alerts.firing &&", 15, "the expression ends too early"),
        ("", 0, "is empty"),
        ("  ", 0, "is empty"),
        ("true || " * 200 + "true", 0, "is longer than 1024 bytes"),
        ("replicas.`ready` > 1", 9, "` quotes names, and no fact needs that"),
        ("1 in [" + "1," * 40 + "1]", 0, "holds more than 32 commas"),
        (
            'changes.rollout.age < duration("30 min")',
            31,
            '"30 min" is not a duration: write it like "30s", "5m" or "1h30m"',
        ),
        (
            "siz(alerts.names) > 1",
            0,
            (
                "siz is not a function. Did you mean size? (known: duration, size, startsWith, "
                "endsWith, contains, matches, all, exists, exists_one)"
            ),
        ),
    ],
    ids=[
        "typo",
        "typo-in-leaf",
        "group",
        "typo-in-root",
        "second-line",
        "number",
        "not-bool",
        "end",
        "empty",
        "blank",
        "long",
        "backtick",
        "commas",
        "duration",
        "function",
    ],
)
def test_a_fault_names_its_place_and_the_nearest_known_word(text: str, offset: int, message: str) -> None:
    (fault,) = faults(text)

    assert fault == Fault(offset, message)


def test_every_fault_of_an_expression_is_told() -> None:
    assert [fault.offset for fault in faults("replicas.redy > 1 && alerts.fireing")] == [0, 21]


def test_uses_sees_names_but_not_strings_comments_or_methods() -> None:
    text = r"""
        r"\" == "a" || replicas.ready > 1            // replicas.desired is not used
        && alerts . // between
           names.exists(n, n == 'replicas.updated') && .memory.limit > 0 || "it\"s alerts.firing" == "" """

    assert uses(text) == ("replicas.ready", "alerts.names", "memory.limit")


def test_the_explanation_gives_each_fact_that_is_known_with_its_value() -> None:
    text = 'changes.rollout.age < duration("30m") && objects.crashLooping.share >= 0.5 && alerts.firing'
    evidence: Evidence = {"changes.rollout.age": timedelta(minutes=2), "objects.crashLooping.share": 0.6}

    facts = expression.known(text, evidence)

    assert facts == (Known("changes.rollout.age", timedelta(minutes=2)), Known("objects.crashLooping.share", 0.6))
    assert [str(fact) for fact in facts] == ["changes.rollout.age 2m", "objects.crashLooping.share 0.6"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("[1,1,1,1,1,1,1,1].all(a, [1,1,1,1,1,1,1,1].all(b, alerts.names.all(c, c != '')))", Broken),
        ("alerts.names.all(a, alerts.names.all(b, a != b + 'x'))", Broken),
        ("(" * 400 + "true" + ")" * 400, Broken),
        ("'" + "a" * 400 + "'.matches('(a+)+(a+)+b')", Fails),
        ("!" * 900 + "true", Holds),
    ],
    ids=["loops", "loops-over-facts", "nesting", "regular-expression", "signs"],
)
def test_an_expression_that_wants_too_much_is_an_error_and_not_an_answer(text: str, answer: type[Truth]) -> None:
    """The bound is the library's iteration budget, so the answer does not depend on how busy the machine is."""
    names = tuple(f"alert-{number}" for number in range(500))

    assert type(evaluate(text, {"alerts.names": names})) is answer


@given(EVERY_FACT, st.sampled_from(CONDITIONS), st.data())
def test_s1_a_missing_fact_never_matches(evidence: dict[str, Value], text: str, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(uses(text)))
    del evidence[lost]

    assert evaluate(text, evidence) == Unknown((lost,))


@given(
    st.dictionaries(st.sampled_from([*(fact.name for fact in FACTS), "no.such.fact"]), ANYTHING),
    st.sampled_from(CONDITIONS),
)
def test_evaluation_never_raises_on_random_evidence(evidence: dict[str, Value], text: str) -> None:
    assert isinstance(evaluate(text, evidence), Holds | Fails | Unknown | Broken)


@given(
    st.one_of(
        st.text(),
        st.text("()[]{}.,!&|<>=+-*/%?:'\"`\\rb/ \nalertsfing01"),
        st.sampled_from(CONDITIONS).map(lambda t: t[3:]),
    )
)
def test_random_text_gives_faults_or_an_answer_never_an_exception(text: str) -> None:
    found = faults(text)

    assert all(0 <= fault.offset <= max(len(text), 1) for fault in found)
    assert isinstance(evaluate(text, {}), Holds | Fails | Unknown | Broken)
    assert not found or isinstance(evaluate(text, {}), Broken)
