"""Wires the plugins: the real servers, and the order of the files; nothing else lives here."""

pytest_plugins = ["tests.controlplane.fixtures", "tests.charts.fixtures", "tests.slowest_first"]
