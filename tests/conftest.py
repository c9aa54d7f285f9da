"""Wires the plugins (real servers, and the order of the files), and gives each test the logging of a fresh process."""

import logging
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.controlplane.fixtures", "tests.charts.fixtures", "tests.slowest_first"]


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """Commands and the demo configure logging for their process, which here is everybody's; a fixture of a whole module
    may have done so before this test.
    """
    structlog.reset_defaults()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
