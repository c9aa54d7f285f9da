"""The numbers behind floors: a Prometheus that scrapes, and the external metrics that the real HPA controller reads.

One of them serves every stage. The load is the same at all times, so that there are two weeks of it at once; what a
floor may be then hangs on the autoscaler's maximum alone, which the story moves.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tests.controlplane.background import HttpServer, application
from tests.controlplane.external import ExternalMetrics
from tests.controlplane.ports import free_port
from tests.controlplane.prometheus import Prometheus

SCRAPE = 5
"""Seconds. Every window that trimtab asks for is full after four of them, before the first replica has started."""
REQUESTS = 200.0
"""A second, of every service: more than any of their autoscalers may serve."""


@dataclass(frozen=True)
class Load:
    """Where load is asked for."""

    prometheus: Prometheus
    metrics: ExternalMetrics


@contextmanager
def loaded(folder: Path, metrics: ExternalMetrics) -> Iterator[Load]:
    """The servers, ended afterwards; `metrics` are the control plane's only ones."""
    with ExitStack() as ending:
        target = HttpServer("up", lambda: application(_metrics), free_port())
        ending.callback(target.close)
        prometheus = Prometheus(folder / "prometheus", [target.url], rules=(), scrape_every=f"{SCRAPE}s")
        ending.callback(prometheus.stop)
        yield Load(prometheus.start(), metrics)


async def _metrics(request: web.Request) -> web.StreamResponse:
    """Something to scrape: whether Prometheus scrapes at all is what trimtab trusts it by."""
    return web.Response(text="up_for_the_crash_tests 1\n")
