"""The composition root: the one place where adapters meet the core.

`open_program` builds one replica from the settings and closes it again; `serve` runs it with its page until a signal
says stop. The small `open_…` functions give the command line one adapter each. Nothing here decides. Adapters are
imported where they are built, so that a command pays only for what it uses.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from controller.errors import BadSettings
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.adapters.kubernetes.access import KubernetesAccess
    from controller.adapters.kubernetes.config import Connection
    from controller.adapters.kubernetes.survey import Survey
    from controller.adapters.prometheus.connection import Connection as PrometheusConnection
    from controller.adapters.prometheus.metrics import PrometheusMetrics
    from controller.adapters.slack import SlackChat
    from controller.ports import Clock, Leases, Notify, Resources, Store
    from controller.program import Program
    from remediations.cluster import Cluster
    from runbooks.schema import Runbook

log = structlog.get_logger(__name__)

STOPS_WITHIN = 2.8
"""Seconds from the signal to the end, the lease given back."""
COLLECT_AFTER = (50_000, 20, 20)
"""When Python looks for garbage in circles. Most of what is held are the cluster's objects and answers of Prometheus,
which have no circles: looking through them as often as Python would by itself is nearly half of a round's CPU.
"""


# One adapter each


def connection(settings: Settings) -> Connection:
    """How to reach the API server."""
    from controller.adapters.kubernetes.config import Connection

    return Connection(kubeconfig=settings.kubeconfig, context=settings.context or None)


async def own_token(settings: Settings) -> str:
    """The bearer token that the API server is shown here, empty where there is none (a certificate). Raises
    BadSettings.
    """
    from controller.adapters.kubernetes.config import configuration

    made = await configuration(connection(settings))
    return str(made.api_key.get("BearerToken", "")).removeprefix("Bearer ").strip()


def prometheus(settings: Settings) -> PrometheusConnection:
    """How to reach Prometheus, and what an answer must be to be trusted. Raises BadSettings."""
    from controller.adapters.prometheus.connection import Connection as PrometheusConnection
    from controller.core.reading import Trust
    from controller.observe.fleet import Grid

    folder, basic = settings.secrets / "prometheus", bool(settings.prometheus_username)
    scrape = timedelta(seconds=settings.scrape_interval)
    grid = Grid.over(timedelta(seconds=settings.baseline_seconds), scrape)

    def file(name: str) -> Path | None:
        return folder / name if (folder / name).is_file() else None

    return PrometheusConnection(
        url=settings.prometheus_url,
        bearer_file=None if basic else file("bearer"),
        username=settings.prometheus_username or None,
        password_file=folder / "password" if basic else None,
        tenant=settings.prometheus_tenant or None,
        ca_file=file("ca.crt"),
        certificate_file=file("tls.crt"),
        key_file=file("tls.key"),
        trust=Trust(
            scrape_interval=scrape, look_back=grid.window, replica_labels=tuple(settings.prometheus_replica_labels)
        ),
        pulse=settings.prometheus_pulse,
        read_timeout=timedelta(seconds=settings.prometheus_timeout),
    )


def open_clock() -> Clock:
    """The wall clock."""
    from controller.adapters.clock import SystemClock

    return SystemClock()


@asynccontextmanager
async def open_store(settings: Settings, *, read_only: bool = False) -> AsyncIterator[Store]:
    """The store; read-only beside the program that owns it. Raises StoreUnavailable, StoreUnusable."""
    from controller.adapters.database.open import open_database

    store = await open_database(settings.database(), read_only=read_only)
    try:
        yield store
    finally:
        await store.close()


def store_place(settings: Settings) -> str:
    """Which store the settings mean, without its password. Raises StoreUnusable."""
    from controller.adapters.database.survey import described

    return described(settings.database())


async def store_unwritable(settings: Settings) -> str:
    """Why the store could not be written, empty when it could. Raises StoreUnavailable, StoreUnusable."""
    from controller.adapters.database.survey import unwritable

    return await unwritable(settings.database())


@asynccontextmanager
async def open_cluster(settings: Settings) -> AsyncIterator[tuple[Resources, KubernetesAccess]]:
    """Objects of the cluster and its access reviews, as whoever the kubeconfig names. Raises BadSettings."""
    async with open_survey(settings) as (resources, access, _):
        yield resources, access


@asynccontextmanager
async def open_survey(settings: Settings) -> AsyncIterator[tuple[Resources, KubernetesAccess, Survey]]:
    """As `open_cluster`, and what the API server says of itself. Raises BadSettings."""
    from controller.adapters.kubernetes.access import KubernetesAccess
    from controller.adapters.kubernetes.client import Api
    from controller.adapters.kubernetes.events import EventLog
    from controller.adapters.kubernetes.resources import KubernetesResources
    from controller.adapters.kubernetes.survey import Survey

    async with await Api.open(connection(settings)) as api:
        resources = KubernetesResources(api, EventLog(api, open_clock().now, identity(settings)))
        yield resources, KubernetesAccess(api), Survey(api)


@asynccontextmanager
async def open_hand(settings: Settings) -> AsyncIterator[tuple[Resources, KubernetesAccess, Cluster]]:
    """As `open_cluster`, and the hand that changes workloads: with the rights of whoever calls. Raises BadSettings."""
    from controller.adapters.kubernetes.access import KubernetesAccess
    from controller.adapters.kubernetes.client import Api
    from controller.adapters.kubernetes.cluster import KubernetesCluster
    from controller.adapters.kubernetes.events import EventLog
    from controller.adapters.kubernetes.resources import KubernetesResources

    now = open_clock().now
    async with await Api.open(connection(settings)) as api:
        resources = KubernetesResources(api, EventLog(api, now, identity(settings)))
        yield resources, KubernetesAccess(api), KubernetesCluster(api, now)


async def open_leases(settings: Settings) -> Leases:
    """The Lease, for the event loop that calls."""
    from controller.adapters.kubernetes import leases

    return await leases.open_leases(connection(settings), settings.namespace, settings.lease_name)


def open_metrics(settings: Settings) -> PrometheusMetrics | None:
    """Prometheus, None when no address is set. Raises BadSettings."""
    if not settings.prometheus_url:
        return None
    from controller.adapters.prometheus.metrics import PrometheusMetrics

    return PrometheusMetrics(prometheus(settings), open_clock().now)


def open_chat(settings: Settings) -> SlackChat | None:
    """Slack, None when no channel is set. Its tokens are secrets that may come later."""
    if not settings.slack_channel:
        return None
    from controller.adapters.slack import SlackChat

    known = {name: member for member, name in settings.people.slack.items()}
    mentions = known | {f"user:{name}": member for name, member in known.items()}
    return SlackChat(settings.secret, base_url=settings.slack_api_url, link=settings.public_url, mentions=mentions)


def open_notifiers(settings: Settings) -> tuple[Notify, ...]:
    """Whatever pages somebody: a webhook by its address, PagerDuty by its key. Raises BadSettings."""
    from controller.adapters.pagerduty import KEY, PagerDutyNotify
    from controller.adapters.webhook import WebhookNotify

    found: list[Notify] = []
    if settings.webhook_url:
        found.append(WebhookNotify(settings.webhook_url, settings.secret))
    if settings.secret(KEY) is not None:
        found.append(PagerDutyNotify(settings.secret, settings.pagerduty_url))
    return tuple(found)


def identity(settings: Settings) -> str:
    """This replica's name."""
    return settings.identity or socket.gethostname()


def further_runbooks(folder: Path | None) -> tuple[Runbook, ...]:
    """The administrator's own runbooks; raises BadSettings when one of them does not load."""
    if folder is None:
        return ()
    from remediations.registry import installed
    from runbooks.load import load_path

    loaded = load_path(folder, installed())
    if loaded.problems:
        message = f"runbooks in {folder}: {loaded.problems[0]}" + (
            f" (and {len(loaded.problems) - 1} more)" if len(loaded.problems) > 1 else ""
        )
        raise BadSettings(message, f"mend them; `trimtab runbook lint {folder}` shows all")
    return loaded.runbooks


# The whole program


@asynccontextmanager
async def open_program(settings: Settings) -> AsyncIterator[Program]:
    """One replica with every adapter the settings ask for; all of them are closed afterwards."""
    from controller.adapters.kubernetes.access import KubernetesAccess
    from controller.adapters.kubernetes.client import Api
    from controller.adapters.kubernetes.cluster import KubernetesCluster
    from controller.adapters.kubernetes.events import EventLog
    from controller.adapters.kubernetes.resources import KubernetesResources
    from controller.adapters.kubernetes.watch import KubernetesWatch
    from controller.observe.cache import lean
    from controller.program import Parts, Program

    clock, metrics, runbooks = open_clock(), open_metrics(settings), further_runbooks(settings.runbooks)
    chat, notifiers = open_chat(settings), open_notifiers(settings)
    async with AsyncExitStack() as closing:
        for part in (*notifiers, *((chat,) if chat else ()), *((metrics,) if metrics else ())):
            closing.push_async_callback(part.close)
        api = await closing.enter_async_context(await Api.open(connection(settings)))
        store = await closing.enter_async_context(open_store(settings))
        yield Program(
            settings,
            Parts(
                store=store,
                clock=clock,
                cluster=KubernetesCluster(api, clock.now),
                watch=KubernetesWatch(api, keep=lean),
                leases=lambda: open_leases(settings),
                resources=KubernetesResources(api, EventLog(api, clock.now, identity(settings))),
                access=KubernetesAccess(api),
                metrics=metrics,
                chat=chat,
                notifiers=notifiers,
                runbooks=runbooks,
            ),
        )


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run one replica and its page until `stop`."""
    from controller.serving.backend import ProgramBackend
    from controller.serving.http import bound
    from controller.serving.http import serve as serve_page
    from controller.web.app import create_app
    from controller.web.options import options_of

    options = options_of(settings)
    listening = bound(settings.http_host, settings.http_port)
    with listening:
        async with open_program(settings) as program:
            page = create_app(ProgramBackend(program, stop), options)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(program.run(stop), name="program")
                tasks.create_task(serve_page(page, listening, stop), name="page")


async def until_told(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; a second one ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told(name: signal.Signals) -> None:
        log.info("stopping", signal=name.name)
        stop.set()
        for again in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(again)
        watchdog(STOPS_WITHIN)

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told, name)
    await serve(settings, stop)
    log.info("stopped")


def watchdog(seconds: float) -> None:
    """End the process after so many seconds, whatever still runs: the log is what survives, and a crash is safe."""

    def end() -> None:
        log.warning("stopped hard", after=seconds, threads=[thread.name for thread in threading.enumerate()])
        leave(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def leave(code: int) -> None:
    """End the process without waiting for threads that still wait for somebody's answer."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(settings: Settings) -> None:
    """`trimtab run`: returns or ends the process when the program has stopped."""
    gc.set_threshold(*COLLECT_AFTER)
    asyncio.run(until_told(settings))
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        leave(0)
