"""Where things lie in a checkout, for the tests that look at files instead of running code."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = ("detectors", "remediations", "runbooks", "controller")
