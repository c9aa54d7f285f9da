"""A fact's value as people read it beside the decision that rests on it."""

import pytest

from runbooks.evidence import FACTS
from runbooks.expression import Known


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (256 * 2**20, "256Mi"),
        (3 * 2**30, "3Gi"),
        (500_000_000, "500M"),
        (2**31 + 4096, "about 2048Mi"),
        (0, "0"),
    ],
)
def test_memory_is_never_shown_in_bytes(size: int, text: str) -> None:
    assert str(Known("memory.limit", size)) == f"memory.limit {text}"


def test_a_number_of_things_is_shown_as_it_is() -> None:
    assert str(Known("replicas.ready", 1_048_576)) == "replicas.ready 1048576"


def test_every_fact_in_bytes_says_so() -> None:
    """So that the next one is not forgotten."""
    assert [fact.name for fact in FACTS if ", bytes" in fact.meaning] == [f.name for f in FACTS if f.unit == "bytes"]
