"""The stage of the end-to-end stories: one control plane with the chart and Prometheus, one namespace per story."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.charts.chart import Helm
from tests.controlplane.fixtures import folder, started_control_plane
from tests.controlplane.slack import SlackServer
from tests.endtoend.process import Trimtab
from tests.endtoend.release import Release
from tests.endtoend.story import Story

STORIES = 24
_numbers = count(1)


PATIENCE = 600
"""Seconds for one story: a whole incident, beside others on two cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it needs the real servers, and the chart of the checkout."""
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker("controlplane")
            item.add_marker("checkout")
            item.add_marker(pytest.mark.timeout(PATIENCE))


@pytest.fixture(scope="session")
def release(helm: Helm) -> Iterator[Release]:
    """The chart, installed to act in as many namespaces as there are stories."""
    with started_control_plane() as plane, folder("endtoend") as path:
        made = Release(plane, helm, path, [f"shop-{number:02}" for number in range(1, STORIES + 1)])
        try:
            yield made.start()
        finally:
            made.close()


@pytest.fixture
def story(release: Release) -> Iterator[Story]:
    """A namespace of one's own, in which the release may act."""
    namespace = release.namespaces[next(_numbers) - 1]
    with release.workloads(namespace) as workloads:
        yield Story(release, namespace, workloads, release.plane.audit.mark())


@pytest.fixture
def trimtab(release: Release, slack_server: SlackServer) -> Iterator[Trimtab]:
    """One replica that leads, with Slack."""
    release.end()
    replica = release.replica(slack_server).start()
    release.leads(replica)
    yield replica
    release.end()
