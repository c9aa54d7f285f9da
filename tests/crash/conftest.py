"""Stages for crash tests on the session's control plane and PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.fixtures import folder
from tests.controlplane.postgres import Postgres
from tests.crash.stage import Stage, prepared, staged

Staging: TypeAlias = Callable[[str], AbstractContextManager[Stage]]


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


@pytest.fixture
def staging(crash_plane: ControlPlane, postgres: Postgres, crash_folder: Path) -> Staging:
    """`with staging("rollback") as stage:`."""
    return lambda remediation: staged(crash_plane, postgres, remediation, crash_folder)
