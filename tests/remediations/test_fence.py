"""The text of a fence: a newer epoch stands, and writing one always changes something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.ground import fence_over

STANDING = (
    st.text(max_size=6)
    | st.integers(0, 9).map(str)
    | st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: f"{pair[0]}.{pair[1]}")
)


@pytest.mark.parametrize(
    ("standing", "epoch", "fence"),
    [("", 7, "7"), ("6", 7, "7"), ("6.4", 7, "7"), ("7", 7, "7.1"), ("7.9", 7, "7.10"), ("8", 7, None), ("x", 7, "7")],
)
def test_a_fence_over_what_stands(standing: str, epoch: int, fence: str | None) -> None:
    assert fence_over(standing, epoch) == fence


@given(STANDING, st.integers(1, 9))
def test_a_fence_is_another_text_and_never_older(standing: str, epoch: int) -> None:
    fence = fence_over(standing, epoch)

    if fence is not None:
        assert fence != standing
        assert fence.partition(".")[0] == str(epoch)
        assert fence_over(fence, epoch - 1) is None
