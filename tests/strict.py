"""A pytest plugin that every run loads (`-p tests.strict`): what the suite demands of itself.

Under CI=true a skip is a failure, so that a missing tool never passes for a green run; only a test that needs a Docker
engine may say so and be skipped. Property tests have no deadline, because two busy cores are not a bug.
"""

import os
from collections.abc import Generator

import pytest

EXCEPTED = "Docker engine"


def pytest_configure() -> None:
    """Property tests are judged by what they find, never by how long they took."""
    from hypothesis import settings

    if not in_ci():
        settings.register_profile("trimtab", deadline=None, print_blob=True)
        settings.load_profile("trimtab")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of one test into a failure under CI."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        condemn(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file into a failure under CI."""
    report = yield
    if report.skipped:
        condemn(report)
    return report


def condemn(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make `report` a failure that says the reason of the skip, unless that is a Docker engine or this is no CI."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if in_ci() and EXCEPTED not in reason:
        report.outcome = "failed"
        report.longrepr = f"{reason}\nUnder CI=true a skip is a failure: provide what is missing."


def in_ci() -> bool:
    """Whether this run is the one that decides."""
    return os.environ.get("CI") == "true"
