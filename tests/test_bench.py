"""The score card: a name that is no benchmark is an error, never an empty success."""

import pytest

from bench.__main__ import main


def test_an_empty_score_card_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick"]) == 0
    assert "No benchmark exists yet" in capsys.readouterr().out


def test_an_unknown_benchmark_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast"]) == 2
    assert "forecast" in capsys.readouterr().err
