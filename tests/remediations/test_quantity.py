"""Quantities are exact."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.quantity import MI, BadQuantity, binary, bytes_of, down_to_mebibytes, parse, up_to_mebibytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("128Mi", 128 * 2**20),
        ("1.5Gi", 1536 * 2**20),
        ("1G", 10**9),
        ("500M", 5 * 10**8),
        ("1e3", 1000),
        ("1E3", 1000),
        ("2E", 2 * 10**18),
        ("12k", 12000),
        ("0", 0),
        (".5Ki", 512),
        ("64", 64),
        (77, 77),
        ("100m", 1),
        ("1Ei", 2**60),
    ],
)
def test_bytes_of(text: str | int, value: int) -> None:
    assert bytes_of(text) == value


@pytest.mark.parametrize(
    "text", ["", "Mi", "1 Gi", "1mi", "1KI", "1.2.3", "0x10", "1e", "NaN", "1" * 65, "1e999", True, "٣Mi"]
)
def test_what_is_no_quantity_is_an_error(text: str) -> None:
    with pytest.raises(BadQuantity, match="no quantity"):
        parse(text)


@given(st.integers(min_value=0, max_value=2**60))
def test_what_is_written_reads_as_the_same(size: int) -> None:
    assert bytes_of(binary(size)) == size


@pytest.mark.parametrize(
    ("size", "text"), [(2**30, "1Gi"), (1536 * MI, "1536Mi"), (1025, "1025"), (1024, "1Ki"), (0, "0")]
)
def test_the_canonical_form_has_the_largest_unit_without_a_fraction(size: int, text: str) -> None:
    assert binary(size) == text


@given(st.fractions(min_value=0, max_value=2**40))
def test_rounding_up_to_mebibytes_is_the_next_whole_one(value: Fraction) -> None:
    rounded = up_to_mebibytes(value)

    assert rounded % MI == 0
    assert value <= rounded < value + MI
    assert value - MI < down_to_mebibytes(value) <= value
