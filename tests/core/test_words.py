import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from controller.core.words import amount, chance, clean, fenced, fraction, lasting, markdown, percent


@pytest.mark.parametrize(
    ("share", "text"),
    [
        pytest.param(0.041, "4.1 %", id="two-digits"),
        pytest.param(0.002, "0.2 %", id="one-digit"),
        pytest.param(0.0, "0 %", id="nothing"),
        pytest.param(1.0, "100 %", id="all"),
        pytest.param(0.583, "58 %", id="no-false-precision"),
        pytest.param(0.9996, "99.9 %", id="nearly-all-is-not-all"),
        pytest.param(0.00012, "0.012 %", id="small"),
        pytest.param(math.nan, "unknown", id="missing-is-not-zero"),
    ],
)
def test_a_share_is_told_in_at_most_two_digits(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        pytest.param(212.4, "1/s", "212/s", id="a rate"),
        pytest.param(212.4, "requests/s", "212/s", id="requests go without saying"),
        pytest.param(0.4, "cores", "0.4 cores", id="a unit in words"),
        pytest.param(0.0, "1/s", "0/s", id="nothing"),
        pytest.param(12_345.0, "1/s", "12\u202f300/s", id="thousands in groups"),
        pytest.param(999.7, "1/s", "1\u202f000/s", id="rounds into thousands"),
        pytest.param(100.0, "", "100", id="zeros that count stay"),
        pytest.param(math.nan, "1/s", "unknown", id="missing is not zero"),
    ],
)
def test_an_amount_has_three_digits_and_its_unit(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        pytest.param(3e-9, "3·10⁻⁹", id="small"),
        pytest.param(9.7e-9, "1·10⁻⁸", id="rounds-into-the-next-power"),
        pytest.param(0.03, "0.03", id="plain"),
        pytest.param(0.0, "below 10⁻³⁰⁰", id="underflow-is-not-zero"),
        pytest.param(math.nan, "unknown", id="missing"),
    ],
)
def test_a_chance_is_told_without_zeros_to_count(p: float, text: str) -> None:
    assert chance(p) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-5, "0 s"), (486, "8 min"), (7200, "2 h"), (6 * 86_400, "6 d")],
)
def test_a_duration_has_one_unit(seconds: int, text: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == text


@given(st.floats(0, 1))
def test_a_confidence_is_never_told_higher_than_it_is(value: float) -> None:
    assert float(fraction(value)) <= value + 1e-9


@given(st.text())
def test_foreign_text_becomes_one_bounded_visible_line(text: str) -> None:
    line = clean(text)

    assert len(line) <= 300
    assert line == line.strip()
    assert all(character.isprintable() for character in line)


@given(st.text(alphabet="`a\n", max_size=40))
def test_a_code_block_cannot_be_closed_from_inside(text: str) -> None:
    block = fenced(text)
    fence = block.split("\n", 1)[0]

    assert all(fence not in line for line in block.split("\n")[1:-1])


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "`code`",
        "a | b",
        "https://evil.test",
        "**bold**",
    ],
    ids=["html", "link", "code", "table", "address", "bold"],
)
def test_foreign_text_is_no_markup_in_markdown(text: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(f"| x |\n|---|\n| {markdown(text)} |")

    assert not any(tag in html for tag in ("<img", "<a ", "<code", "<strong", "<em"))
    assert html.count("<td>") == 1
