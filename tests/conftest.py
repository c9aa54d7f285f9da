"""Wires the plugin with the real servers; nothing else lives here."""

pytest_plugins = ["tests.controlplane.fixtures", "tests.charts.fixtures"]
