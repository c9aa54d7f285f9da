"""The adapter on a real Prometheus: logins, prefixes, long ranges, twins, restarts, and what an answer may cost."""

import asyncio
import base64
import gzip
import json
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.prometheus import Connection, PrometheusMetrics
from controller.core.presets import PRESETS, of_twins
from controller.core.reading import Trust
from controller.errors import BadQuery, BadSettings
from controller.ports import Paths, Samples, Unavailable
from detectors.series import Problem
from tests.adapters.prometheus.stage import Body, Proxy, RealPrometheus, Reply, Serving, edited, prometheus, results

pytestmark = pytest.mark.controlplane

SECOND = timedelta(seconds=1)
TRUST = Trust(scrape_interval=SECOND, look_back=4 * SECOND, skew=5 * SECOND)
QUERY = "contract_gauge"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), prefix="/metrics/of/shop") as running:
        running.wait_until_scraped(5)
        yield running


@pytest.fixture
def proxy(server: RealPrometheus) -> Iterator[Proxy]:
    proxy = Proxy(server.url)
    yield proxy
    proxy.close()


@asynccontextmanager
async def connected(url: str, **given: Any) -> AsyncIterator[PrometheusMetrics]:
    metrics = PrometheusMetrics(Connection(url, **{"trust": TRUST, **given}), now)
    try:
        yield metrics
    finally:
        await metrics.close()


async def ask(url: str, query: str = QUERY, **given: Any) -> Samples | Unavailable:
    async with connected(url, **given) as metrics:
        return await metrics.instant(query, now())


def values(answer: Samples | Unavailable) -> list[float]:
    assert isinstance(answer, Samples), answer
    return sorted(sample.value for sample in answer.samples)


async def test_a_server_under_a_path_prefix_answers(server: RealPrometheus) -> None:
    assert values(await ask(server.url + "/")) == [1.0, 2.0]


async def test_a_wrong_prefix_says_what_to_check(server: RealPrometheus) -> None:
    answer = await ask(server.url + "/nowhere")

    assert isinstance(answer, Unavailable)
    assert "path prefix" in answer.reason


async def test_the_tenant_goes_with_every_request(proxy: Proxy) -> None:
    await ask(proxy.url, tenant="shop|pay")

    assert [headers["X-Scope-OrgID"] for headers in proxy.headers] == ["shop|pay", "shop|pay"]


async def test_a_new_bearer_token_is_used_without_a_restart(proxy: Proxy, tmp_path: Path) -> None:
    token = tmp_path / "bearer"
    token.write_text("first\n")
    async with connected(proxy.url, bearer_file=token) as metrics:
        await metrics.instant(QUERY, now())
        token.write_text("second\n")
        await metrics.instant(QUERY, now())

    assert {headers["Authorization"] for headers in proxy.headers} == {"Bearer first", "Bearer second"}


async def test_a_login_file_that_is_gone_is_no_answer_and_no_request(proxy: Proxy, tmp_path: Path) -> None:
    answer = await ask(proxy.url, bearer_file=tmp_path / "bearer")

    assert isinstance(answer, Unavailable)
    assert "login file bearer" in answer.reason
    assert not proxy.paths


BCRYPT_OF_TEST = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay"
"""Of the password `test`: the example of the Prometheus documentation (guides/basic-auth)."""


async def test_a_basic_login_is_accepted_and_a_wrong_one_refused(tmp_path: Path) -> None:
    good, wrong = tmp_path / "good", tmp_path / "wrong"
    good.write_text("test")
    wrong.write_text("planted-secret")
    with prometheus(tmp_path / "server", options={"basic_auth_users": {"me": BCRYPT_OF_TEST}}) as server:
        accepted = await ask(server.url, "vector(7)", username="me", password_file=good)
        refused = await ask(server.url, "vector(7)", username="me", password_file=wrong)

    assert values(accepted) == [7.0]
    assert isinstance(refused, Unavailable)
    assert "login is refused (401)" in refused.reason
    assert "planted-secret" not in repr(refused)


async def test_a_netrc_of_the_environment_never_logs_in(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("default login stranger password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))

    await ask(proxy.url)

    assert not [headers for headers in proxy.headers if "Authorization" in headers]


async def test_a_range_longer_than_the_server_allows_is_asked_in_pieces_and_joined(proxy: Proxy) -> None:
    end = now().replace(microsecond=0)
    start = end - 25_000 * SECOND
    async with connected(proxy.url) as metrics:
        answer = await metrics.range("vector(time())", start, end, SECOND)

    assert isinstance(answer, Paths), answer
    assert len([path for path in proxy.paths if "query_range" in path]) == 3
    assert answer.paths[0].values == tuple(start.timestamp() + i for i in range(25_001))


async def test_a_grid_between_seconds_is_kept(server: RealPrometheus) -> None:
    start = now() - timedelta(seconds=10.3)
    async with connected(server.url) as metrics:
        answer = await metrics.range("vector(time())", start, start + 10 * SECOND, timedelta(seconds=2.5))

    assert isinstance(answer, Paths)
    assert answer.paths[0].values == pytest.approx([start.timestamp() + 2.5 * i for i in range(5)], abs=0.01)


def with_twin(change: Callable[[float], float]) -> Callable[[Body], None]:
    def add(body: Body) -> None:
        first = [item for item in results(body) if "pulse" not in item["metric"]]
        for item in first:
            twin = json.loads(json.dumps(item))
            item["metric"]["replica"], twin["metric"]["replica"] = "one", "two"
            twin["value"][1] = str(change(float(twin["value"][1])))
            results(body).append(twin)

    return add


async def test_highly_available_twins_count_once(proxy: Proxy) -> None:
    trust = Trust(SECOND, 4 * SECOND, 5 * SECOND, replica_labels=("replica",))
    proxy.tamper = edited(with_twin(lambda value: value * 1.01))

    answer = await ask(proxy.url, trust=trust)

    assert values(answer) == [1.0, 2.0]
    assert isinstance(answer, Samples)
    assert answer.health.healthy, answer.health
    assert all("replica" not in sample.labels for sample in answer.samples)


async def test_twins_that_disagree_are_not_believed(proxy: Proxy) -> None:
    trust = Trust(SECOND, 4 * SECOND, 5 * SECOND, replica_labels=("replica",))
    proxy.tamper = edited(with_twin(lambda value: value * 2))

    answer = await ask(proxy.url, trust=trust)

    assert isinstance(answer, Samples)
    assert answer.health.problems == {Problem.DUPLICATE}


async def test_remarks_cost_no_trust_and_warnings_do(proxy: Proxy) -> None:
    proxy.tamper = edited(lambda body: body.update(infos=["PromQL info: metric might not be a counter"]))
    remarked = await ask(proxy.url)
    proxy.tamper = edited(lambda body: body.update(warnings=["PromQL warning: quantile out of range"]))
    warned = await ask(proxy.url)

    assert isinstance(remarked, Samples)
    assert isinstance(warned, Samples)
    assert remarked.health.healthy
    assert warned.health.problems == {Problem.WARNED}


@pytest.mark.parametrize("query", ["up[5m]", '"text"'], ids=["matrix", "string"])
async def test_a_query_of_the_wrong_kind_is_the_askers_error(server: RealPrometheus, query: str) -> None:
    async with connected(server.url) as metrics:
        with pytest.raises(BadQuery):
            await metrics.instant(query, now())


async def test_an_answer_larger_than_allowed_is_not_read_to_its_end(proxy: Proxy) -> None:
    small = gzip.compress(b" " * 50_000_000)
    proxy.tamper = lambda reply: Reply(200, small, {"Content-Encoding": "gzip"})

    answer = await ask(proxy.url, most_bytes=1_000_000)

    assert isinstance(answer, Unavailable)
    assert "larger than" in answer.reason


async def test_an_answer_that_drips_ends_at_the_deadline() -> None:
    """Each byte comes within the read timeout; only a deadline ends it."""
    drip = await asyncio.start_server(dripping, "127.0.0.1", 0)
    port = drip.sockets[0].getsockname()[1]

    answer = await ask(f"http://127.0.0.1:{port}", deadline=SECOND, read_timeout=SECOND)

    assert isinstance(answer, Unavailable)
    assert "within 1 s" in answer.reason
    drip.close()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    try:
        for _ in range(50):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_a_redirect_is_not_followed_with_tenant_and_token(proxy: Proxy, tmp_path: Path) -> None:
    elsewhere = Serving(lambda path, headers: Reply(200, b"{}"))
    proxy.tamper = lambda reply: Reply(302, b"", {"Location": elsewhere.url})

    answer = await ask(proxy.url, tenant="shop")

    elsewhere.close()
    assert isinstance(answer, Unavailable)
    assert "redirects" in answer.reason


async def test_nothing_is_asked_twice_after_an_error(proxy: Proxy) -> None:
    proxy.tamper = lambda reply: Reply(503, b"")

    await ask(proxy.url)

    assert len(proxy.paths) == 1


async def test_the_pulse_is_asked_once_per_scrape_interval(proxy: Proxy) -> None:
    trust = Trust(timedelta(minutes=1), timedelta(minutes=5), 5 * SECOND)
    async with connected(proxy.url, trust=trust) as metrics:
        await asyncio.gather(*(metrics.instant(QUERY, now()) for _ in range(8)))

    assert len([path for path in proxy.paths if "pulse" in urllib.parse.unquote(path)]) == 1


async def test_after_a_restart_with_empty_hands_it_recovers_until_the_look_back_is_full(tmp_path: Path) -> None:
    with prometheus(tmp_path / "server") as server:
        trust = Trust(SECOND, 6 * SECOND, 5 * SECOND)
        async with connected(server.url, trust=trust) as metrics:
            seen: list[frozenset[Problem]] = []
            deadline = time.monotonic() + 40
            while not seen or seen[-1]:
                assert time.monotonic() < deadline, seen
                answer = await metrics.instant(QUERY, now())
                assert isinstance(answer, Samples)
                seen.append(answer.health.problems)
                await asyncio.sleep(0.5)

    assert any(Problem.RECOVERING in problems for problems in seen)
    assert seen[-1] == frozenset()
    assert seen.index(frozenset()) == len(seen) - 1


async def test_a_server_that_stopped_scraping_is_stale_although_it_answers(tmp_path: Path) -> None:
    """A rate over minutes goes on giving values; only the pulse knows."""
    with prometheus(tmp_path / "server") as server:
        server.wait_until_scraped(5)
        server.process.stop()
        await asyncio.sleep(4)
        config = tmp_path / "server" / "prometheus.yml"
        config.write_text(json.dumps({**json.loads(config.read_text()), "scrape_configs": []}))
        server.process.start()

        answer = await ask(server.url, f"sum(count_over_time({QUERY}[5m]))")

    assert isinstance(answer, Samples)
    assert answer.samples
    assert {Problem.STALE, Problem.RECOVERING} <= answer.health.problems or Problem.MISSING in answer.health.problems


async def test_mutual_tls_needs_the_certificate(tmp_path: Path) -> None:
    from tests.controlplane.prometheus import Prometheus

    server = Prometheus(tmp_path / "tls", [], tls=True).start()
    try:
        assert server.client is not None
        key, certificate = server.client.key, server.client.cert
        admitted = await ask(
            server.url, "vector(7)", ca_file=server.ca_file, certificate_file=certificate, key_file=key
        )
        unknown = await ask(server.url, "vector(7)", ca_file=server.ca_file)
        unproven = await ask(server.url, "vector(7)", certificate_file=certificate, key_file=key)
    finally:
        server.stop()

    assert values(admitted) == [7.0]
    assert isinstance(unknown, Unavailable)
    assert isinstance(unproven, Unavailable)
    assert "TLS failed" in unproven.reason


async def test_a_pulse_that_cannot_be_parsed_is_a_setting_not_the_askers_query(server: RealPrometheus) -> None:
    answer = await ask(server.url, pulse="up{")

    assert isinstance(answer, Unavailable)
    assert "prometheus_pulse" in answer.reason


@pytest.mark.parametrize("twins", [(), ("prometheus_replica", "cluster")], ids=["single", "twins"])
@pytest.mark.parametrize("name", PRESETS)
async def test_every_query_of_every_preset_is_promql(server: RealPrometheus, name: str, twins: tuple[str, ...]) -> None:
    preset, window = of_twins(twins)[name], timedelta(minutes=5)
    async with connected(server.url) as metrics:
        pods = ("shop", ("web-5d8f7c9b6", "web-7b6f5c4d8"))
        by_pod = (preset.pod_requests(*pods), preset.pod_failures(*pods)) if preset.per_pod else ()
        for query in (preset.load(window), preset.failures(window), preset.latency(window, 0.99), *by_pod):
            if query:
                answer = await metrics.instant(query, now())
                assert isinstance(answer, Samples), answer


async def test_the_pods_of_two_versions_are_told_apart_and_nobody_else_is_asked_for(server: RealPrometheus) -> None:
    """One pod is scraped itself, one is told of by an exporter; the third is of another service."""
    preset = PRESETS["http"]
    server.metrics += (
        'http_requests_total{namespace="own",pod="api-5d8f7c9b6-abcde",code="200"} 7\n'
        'http_requests_total{namespace="own",pod="api-5d8f7c9b6-abcde",code="500"} 2\n'
        'http_requests_total{namespace="x",pod="e",exported_namespace="own",exported_pod="api-7b6f5c4d8-vwxyz"} 4\n'
        'http_requests_total{namespace="own",pod="api2-5d8f7c9b6-abcde",code="200"} 99\n'
    )
    asked = ("own", ("api-7b6f5c4d8", "api-5d8f7c9b6"))
    found: dict[str, dict[tuple[str, str] | None, float]] = {}
    async with connected(server.url) as metrics:
        for _ in range(50):
            for query in (preset.pod_requests(*asked), preset.pod_failures(*asked)):
                answer = await metrics.instant(query, now())
                assert isinstance(answer, Samples)
                found[query] = {preset.pod_of(s.labels): s.value for s in answer.samples}
            if all(len(pods) == 2 for pods in found.values()):
                break
            await asyncio.sleep(0.2)

    old, new = ("own", "api-5d8f7c9b6-abcde"), ("own", "api-7b6f5c4d8-vwxyz")
    assert list(found.values()) == [{old: 9.0, new: 4.0}, {old: 2.0, new: 0.0}]


async def test_a_service_without_a_failure_answers_zero_failures(server: RealPrometheus) -> None:
    preset, me = PRESETS["http"], 'namespace="shop",pod="web-0"'
    server.metrics += f'http_requests_total{{{me},code="200"}} 5\n'
    mine: list[float] = []
    async with connected(server.url) as metrics:
        for _ in range(50):
            answer = await metrics.instant(preset.failures(timedelta(seconds=10)), now())
            assert isinstance(answer, Samples), answer
            mine = [sample.value for sample in answer.samples if sample.labels["pod"] == "web-0"]
            if mine:
                break
            await asyncio.sleep(0.2)

    assert mine == [0.0]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"url": "prometheus:9090"}, "address"),
        ({"url": "http://me:secret@prometheus:9090"}, "password"),
        ({"url": "http://prometheus:9090/?tenant=a"}, "query"),
        ({"username": "me"}, "password file"),
        ({"bearer_file": Path("a"), "username": "me", "password_file": Path("b")}, "one of them"),
        ({"key_file": Path("a")}, "certificate"),
        ({"tenant": "a\r\nX-Other: b"}, "tenant"),
        ({"trust": Trust(look_back=SECOND)}, "look-back"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_an_impossible_connection_is_refused_with_the_remedy(given: dict[str, Any], word: str) -> None:
    with pytest.raises(BadSettings) as refused:
        Connection(**{"url": "http://prometheus:9090", **given})

    assert word in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_basic_is_the_header_of_rfc_7617(proxy: Proxy, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("open sesame")
    await ask(proxy.url, username="me", password_file=password)

    assert proxy.headers[0]["Authorization"] == "Basic " + base64.b64encode(b"me:open sesame").decode()


async def test_a_timeout_is_called_one(proxy: Proxy) -> None:
    proxy.tamper = lambda reply: Reply(200, reply.body, pause=5)

    answer = await ask(proxy.url, read_timeout=SECOND)

    assert isinstance(answer, Unavailable)
    assert "no answer within 1 s" in answer.reason
