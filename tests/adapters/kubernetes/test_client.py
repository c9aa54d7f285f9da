"""Reads are tried again, changes are sent once, tokens are read anew, and errors name what and where."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.kubernetes import client
from controller.adapters.kubernetes.answers import Busy, Lost, NotSent
from controller.adapters.kubernetes.client import Api, path_of
from controller.adapters.kubernetes.config import Connection, configuration, in_cluster
from controller.adapters.kubernetes.kinds import PODS, REPLICA_SETS
from controller.errors import ApiUnavailable, BadSettings
from tests.adapters.kubernetes.scripted import Answerer, Scripted, answer, hung_up, scripted, status, truncated

GOOD = answer(200, {"kind": "Deployment", "metadata": {"resourceVersion": "7"}})
BUSY = answer(429, status(429, "TooManyRequests"), Retry_After="1")


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[Scripted, Path]]:
    async with scripted(tmp_path) as pair:
        yield pair


@pytest.fixture
def server(both: tuple[Scripted, Path]) -> Scripted:
    return both[0]


@pytest.fixture
async def api(both: tuple[Scripted, Path]) -> AsyncIterator[Api]:
    async with await Api.open(Connection(kubeconfig=both[1], timeout_seconds=2)) as opened:
        yield opened


@pytest.mark.parametrize(
    "trouble",
    [BUSY, answer(500, "oops"), answer(503, "down"), truncated, hung_up],
    ids=["429", "500", "503", "truncated", "hung-up"],
)
async def test_a_read_is_tried_again(server: Scripted, api: Api, trouble: Answerer) -> None:
    server.say(trouble, GOOD)

    assert (await api.get("/x")).body["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize("trouble", [answer(500, "oops"), hung_up], ids=["500", "hung-up"])
async def test_a_read_is_given_up_after_three_attempts(server: Scripted, api: Api, trouble: Answerer) -> None:
    server.say(trouble)

    with pytest.raises(ApiUnavailable, match="GET /x"):
        await api.get("/x", attempts=3)
    assert len(server.seen) >= 3


async def test_a_read_waits_as_long_as_it_is_asked_to_within_bounds() -> None:
    assert client._wait(Busy("", after=4)) == timedelta(seconds=4)
    assert client._wait(Busy("", after=4000)) == timedelta(seconds=client.LONGEST_WAIT)
    assert client._wait(Lost("")) is True
    assert client._wait(ValueError("")) is False


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 422])
async def test_a_refusal_is_an_answer_and_is_not_asked_again(server: Scripted, api: Api, code: int) -> None:
    server.say(answer(code, status(code, "Any")))

    assert (await api.get("/x")).status == code
    assert len(server.seen) == 1


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("trouble", [truncated, hung_up], ids=["truncated", "hung-up"])
async def test_a_change_without_an_answer_is_lost_and_not_sent_again(
    server: Scripted, api: Api, trouble: Answerer, method: client.Method
) -> None:
    server.say(trouble)

    with pytest.raises(Lost, match=f"{method} /x: no answer"):
        await api.send(method, "/x", {"a": 1})
    assert len(server.seen) == 1


@pytest.mark.parametrize("trouble", [BUSY, answer(500, "oops"), answer(503, "down")], ids=["429", "500", "503"])
async def test_a_change_is_sent_once_whatever_the_server_says(server: Scripted, api: Api, trouble: Answerer) -> None:
    server.say(trouble)

    await api.send("PATCH", "/x", [{"op": "test", "path": "/a", "value": 1}], content_type=client.JSON_PATCH)

    assert len(server.seen) == 1
    assert server.seen[0].headers["Content-Type"] == client.JSON_PATCH


async def test_a_change_that_could_not_be_sent_says_so(tmp_path: Path) -> None:
    async with scripted(tmp_path) as (_, kubeconfig):
        pass  # its port is free again
    async with await Api.open(Connection(kubeconfig=kubeconfig)) as api:
        with pytest.raises(NotSent, match="no connection"):
            await api.send("PATCH", "/x", {"a": 1})


async def test_the_server_is_given_the_deadline_of_a_change(server: Scripted, api: Api) -> None:
    """What was given up here must not be done there much later."""
    server.say(GOOD)

    await api.send("PATCH", "/x", {}, seconds=7.4)

    assert server.seen[0].query["timeout"] == "7s"


async def test_pages_of_a_list_are_joined_and_items_know_their_kind(server: Scripted, api: Api) -> None:
    server.say(
        answer(200, {"metadata": {"resourceVersion": "5", "continue": "c1"}, "items": [{"metadata": {"name": "a"}}]}),
        answer(200, {"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "b"}}]}),
    )

    version, found = await api.list(PODS, "shop")

    assert version == "5"
    assert [(one["kind"], one["apiVersion"], one["metadata"]["name"]) for one in found] == [
        ("Pod", "v1", "a"),
        ("Pod", "v1", "b"),
    ]
    assert "resourceVersion" not in server.seen[0].query
    assert server.seen[1].query["continue"] == "c1"


async def test_of_a_listed_object_only_what_is_asked_for_is_kept(server: Scripted, api: Api) -> None:
    server.say(
        answer(200, {"metadata": {"resourceVersion": "5", "continue": "c1"}, "items": [{"metadata": {"name": "a"}}]}),
        answer(200, {"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "b"}}]}),
    )

    _, found = await api.list(PODS, "shop", keep=lambda kind, item: {"is": kind.kind, **item["metadata"]})

    assert found == ({"is": "Pod", "name": "a"}, {"is": "Pod", "name": "b"})


async def test_a_rotated_token_is_used_at_once_and_a_missing_one_leaves_the_last(
    server: Scripted, api: Api, tmp_path: Path
) -> None:
    server.say(GOOD)
    await api.get("/x")
    (tmp_path / "token").write_text("second\n")
    await api.get("/x")
    (tmp_path / "token").write_text("")
    await api.get("/x")
    (tmp_path / "token").unlink()
    await api.get("/x")

    assert [request.headers["Authorization"] for request in server.seen] == ["Bearer first"] + ["Bearer second"] * 3


def test_inside_a_pod_the_service_account_is_used(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("mounted")
    (tmp_path / "ca.crt").write_text("ca")

    made = in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"})

    assert made.host == "https://[fd00::1]:6443"
    assert made.api_key == {"BearerToken": "Bearer mounted"}
    assert made.ssl_ca_cert == str(tmp_path / "ca.crt")


async def test_a_kubeconfig_that_is_not_there_is_said_to_be_absent_not_invalid(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=f"there is no kubeconfig {tmp_path}/none"):
        await configuration(Connection(kubeconfig=tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "context"),
    [(None, None), ("}{", None), ("a: b", None), ("", None), (None, "nowhere")],
    ids=["missing", "no-yaml", "no-kubeconfig", "empty", "unknown-context"],
)
async def test_a_kubeconfig_that_cannot_be_used_is_a_setting_to_mend(
    tmp_path: Path, both: tuple[Scripted, Path], text: str | None, context: str | None
) -> None:
    path = both[1] if context else tmp_path / "other"
    if text is not None:
        path.write_text(text)

    with pytest.raises(BadSettings, match="kubeconfig"):
        await Api.open(Connection(kubeconfig=path, context=context))


def test_a_path_has_its_segments_escaped() -> None:
    assert path_of(REPLICA_SETS, "shop", "web", "scale") == "/apis/apps/v1/namespaces/shop/replicasets/web/scale"
    assert path_of(PODS, None) == "/api/v1/pods"
    assert path_of(PODS, "a/b", "c?d") == "/api/v1/namespaces/a%2Fb/pods/c%3Fd"


@pytest.mark.parametrize(("namespace", "name"), [("..", "x"), ("shop", ".."), ("shop", ".")])
def test_a_name_that_climbs_out_of_its_path_is_refused(namespace: str, name: str) -> None:
    with pytest.raises(ValueError, match="no Kubernetes name"):
        path_of(PODS, namespace, name)
