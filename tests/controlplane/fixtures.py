"""The real servers as pytest fixtures: a plugin that tests/conftest.py loads. tests/README.md says what each gives."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

from tests.controlplane import browser, provider
from tests.controlplane.alertmanager import Alertmanager
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.errors import MissingTool
from tests.controlplane.exporter import Exporter
from tests.controlplane.external import ExternalMetrics
from tests.controlplane.postgres import Postgres
from tests.controlplane.prometheus import History, Prometheus
from tests.controlplane.proxy import ApiServerProxy, PrometheusProxy
from tests.controlplane.slack import SlackServer
from tests.controlplane.workloads import Workloads

if TYPE_CHECKING:
    from playwright.sync_api import Browser

T = TypeVar("T")

REAL = frozenset(
    {
        "alertmanager",
        "apiserver_proxy",
        "chromium",
        "control_plane",
        "exporter",
        "external_metrics",
        "namespace",
        "own_control_plane",
        "postgres",
        "postgres_url",
        "prometheus",
        "prometheus_proxy",
        "prometheus_with",
        "slack_server",
        "workloads",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a real server is marked `controlplane`."""
    for item in items:
        if REAL & set(getattr(item, "fixturenames", ())):
            item.add_marker("controlplane")


def need(provide: Callable[[], T]) -> T:
    """What `provide` gives; without the tool a skip with its one sentence, and with `CI=true` a failure."""
    try:
        return provide()
    except MissingTool as missing:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A temporary folder, away afterwards; `TRIMTAB_KEEP=1` keeps it for a look at the logs."""
    path = Path(tempfile.mkdtemp(prefix=f"trimtab-{name}-"))
    try:
        yield path
    finally:
        if not os.environ.get("TRIMTAB_KEEP"):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def started_control_plane(managing: Sequence[str] = ()) -> Iterator[ControlPlane]:
    """A control plane of one's own, ended afterwards; `managing` are further flags of its controller manager."""
    binaries = need(provider.binaries)
    with folder("controlplane") as path, ExitStack() as ending:
        cluster = ControlPlane(path, binaries, managing)
        ending.callback(cluster.stop)
        yield cluster.start()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    with started_control_plane() as cluster:
        yield cluster


@pytest.fixture
def own_control_plane() -> Iterator[ControlPlane]:
    with started_control_plane() as cluster:
        yield cluster


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    with control_plane.namespace(f"t-{secrets.token_hex(4)}") as name:
        yield name


@pytest.fixture
def workloads(control_plane: ControlPlane, namespace: str) -> Workloads:
    return Workloads(control_plane.api, namespace)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with folder("postgres") as path, ExitStack() as ending:
        # PostgreSQL runs as another user, who has to be able to walk to its folder.
        path.chmod(0o755)
        server = need(lambda: Postgres(path / "server"))
        ending.callback(server.stop)
        yield server.start()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def exporter(control_plane: ControlPlane) -> Iterator[Exporter]:
    made = Exporter(control_plane.user_kubeconfig("system:exporter", "system:masters"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def external_metrics(control_plane: ControlPlane) -> Iterator[ExternalMetrics]:
    made = ExternalMetrics(control_plane)
    yield made
    made.close()


class PrometheusWith(Protocol):
    """Starts a Prometheus; its arguments are those of `Prometheus`, `targets` being the exporter without any."""

    def __call__(self, targets: Sequence[str] | None = None, **options: Any) -> Prometheus: ...


@pytest.fixture
def prometheus_with(exporter: Exporter) -> Iterator[PrometheusWith]:
    with folder("prometheus") as path, ExitStack() as ending:

        def start(targets: Sequence[str] | None = None, **options: Any) -> Prometheus:
            wanted = [exporter.url] if targets is None else targets
            made = need(lambda: Prometheus(path / str(len(list(path.iterdir()))), wanted, **options))
            ending.callback(made.stop)
            return need(made.start)

        yield start


@pytest.fixture
def prometheus(prometheus_with: PrometheusWith, namespace: str) -> Prometheus:
    return prometheus_with(history=[History(namespace, "checkout")])


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    with folder("alertmanager") as path, ExitStack() as ending:
        made = need(lambda: Alertmanager(path / "server"))
        ending.callback(made.stop)
        yield made.start()


@pytest.fixture
def chromium() -> "Iterator[Browser]":
    need(browser.program)
    with browser.browser() as started:
        yield started


@pytest.fixture
def slack_server() -> Iterator[SlackServer]:
    made = SlackServer()
    yield made
    made.close()


@pytest.fixture
def apiserver_proxy(control_plane: ControlPlane) -> Iterator[ApiServerProxy]:
    with folder("apiserver-proxy") as path:
        made = ApiServerProxy(control_plane.admin_by_token(), control_plane.ca_file, control_plane.server, path)
        yield made
        made.close()


@pytest.fixture
def prometheus_proxy(prometheus: Prometheus) -> Iterator[PrometheusProxy]:
    made = PrometheusProxy(prometheus.url)
    yield made
    made.close()
