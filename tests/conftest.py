"""Wires the plugins (the real servers, and the order of the files), and keeps the logging of the process as it was."""

import logging
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.controlplane.fixtures", "tests.charts.fixtures", "tests.slowest_first"]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands and the demo configure logging for their process, which here is everybody's."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configured)
