"""The adapter on a real API server, with a tap in the line."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.config import Connection
from tests.adapters.kubernetes.tap import Tap, tapped
from tests.controlplane.cluster import ControlPlane

SHORT = 3.0
"""Seconds until a request is given up in these tests: far longer than an answer takes here."""


@pytest.fixture
async def line(control_plane: ControlPlane) -> AsyncIterator[tuple[Tap, Path]]:
    async with tapped(control_plane, control_plane.kubeconfig) as both:
        yield both


@pytest.fixture
def tap(line: tuple[Tap, Path]) -> Tap:
    return line[0]


@pytest.fixture
def connection(line: tuple[Tap, Path]) -> Connection:
    return Connection(kubeconfig=line[1], timeout_seconds=SHORT, connect_seconds=SHORT)


@pytest.fixture
async def api(connection: Connection) -> AsyncIterator[Api]:
    async with await Api.open(connection) as opened:
        yield opened


@pytest.fixture
def neighbour(control_plane: ControlPlane, namespace: str) -> Iterator[str]:
    with control_plane.namespace(f"{namespace}-next") as name:
        yield name
