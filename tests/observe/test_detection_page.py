"""The page on detection says what the code does."""

from pathlib import Path

import pytest

from controller.core.words import lasting
from controller.observe.fleet import POINTS
from controller.settings import Settings
from detectors.anomaly.baseline import MAD_TO_SIGMA, WIDTH, Baseline

PAGE = Path(__file__).parents[2] / "docs/explanation/detection.md"
pytestmark = pytest.mark.checkout


def test_the_band_and_the_end_of_an_incident_are_told_as_they_are() -> None:
    settings, detector = Settings(), Baseline()
    said = " ".join(PAGE.read_text(encoding="utf-8").split())
    step = settings.baseline_seconds / POINTS
    first = settings.duration((detector.least + detector.guard) * step)

    assert f"the median of the last {settings.baseline_seconds / 3600:g} hours" in said
    assert f"{POINTS} points, one every two minutes" in said
    assert step == 120
    assert f"± {WIDTH:g} robust standard deviations ({MAD_TO_SIGMA} · MAD)" in said
    assert f"{detector.least} points of history" in said
    assert f"is {first.total_seconds() / 60:g} minutes" in said
    assert lasting(settings.duration(settings.clear_after_seconds)) == "2 min"
    assert "stayed away for two minutes" in said
