"""What all crash tests share: the kinds on the session's control plane, and a folder for logs."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.external import ExternalMetrics
from tests.controlplane.fixtures import folder, need
from tests.crash.load import Load, loaded
from tests.crash.stage import prepared

PATIENCE = 600
"""Seconds for one death and its recovery, beside others on two cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes that start, die and start again take longer than a test usually may."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PATIENCE))


@pytest.fixture(scope="session")
def crash_plane(control_plane: ControlPlane) -> ControlPlane:
    """The session's control plane with trimtab's kinds."""
    prepared(control_plane)
    return control_plane


@pytest.fixture(scope="session")
def crash_folder() -> Iterator[Path]:
    """Where replicas keep their logs."""
    with folder("crash") as path:
        yield path


@pytest.fixture(scope="session")
def crash_load(external_metrics: ExternalMetrics, crash_folder: Path) -> Iterator[Load]:
    """What floors are sized by."""
    with ExitStack() as ending:
        yield need(lambda: ending.enter_context(loaded(crash_folder, external_metrics)))
