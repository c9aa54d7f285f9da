"""What pods and objects say of themselves."""

from datetime import timedelta
from typing import Any

import pytest

from remediations.owners import GitOps, Owner, controller_of, gitops_of
from remediations.pods import crash_looping, failing, image_pull_failing, oom_killed, ready
from tests.remediations.worlds import NOW, marked, of, pod


def with_container(**state: Any) -> dict[str, Any]:
    return pod("p", containerStatuses=[{"name": "app", **state}])


def test_a_pod_on_its_way_out_is_not_ready() -> None:
    leaving = pod("p")
    leaving["metadata"]["deletionTimestamp"] = "2026-03-01T14:00:00Z"

    assert ready(pod("p"))
    assert not ready(leaving)
    assert not ready({"metadata": {}})


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, True),
        ({"state": {"terminated": {"exitCode": 1}}, "restartCount": 2}, True),
        ({"state": {"terminated": {"exitCode": 1}}, "restartCount": 0}, False),
        ({"state": {"terminated": {"exitCode": 0}}, "restartCount": 2}, False),
        ({"state": {"running": {}}, "restartCount": 9}, False),
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, False),
        ({}, False),
    ],
    ids=["back-off", "just ended again", "first end", "done", "runs", "starts", "nothing known"],
)
def test_crash_loops(state: dict[str, Any], expected: bool) -> None:
    assert crash_looping(with_container(**state)) is expected


@pytest.mark.parametrize(
    ("ended", "began", "expected"),
    [
        ("13:59:30", "13:59:31", True),
        ("13:55:00", "13:59:59", True),
        ("13:55:00", "13:58:30", False),
        ("13:59:30", None, True),
        ("13:55:00", None, False),
    ],
    ids=["at-once", "after-a-long-pause", "runs-again", "start-unknown", "long-ago"],
)
def test_a_pod_that_has_just_started_again_after_a_crash_still_crash_loops(
    ended: str, began: str | None, expected: bool
) -> None:
    """The pauses between two starts grow to five minutes: a question must not come and go with each of them."""
    last = {"terminated": {"exitCode": 1, "finishedAt": f"2026-03-01T{ended}Z"}}
    running = {"running": {} if began is None else {"startedAt": f"2026-03-01T{began}Z"}}
    again = with_container(state=running, lastState=last, restartCount=5)

    assert crash_looping(again, NOW) is expected
    assert not crash_looping(again)


def test_an_init_container_can_crash_loop_too() -> None:
    waiting = {"name": "migrate", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}

    assert failing(pod("p", initContainerStatuses=[waiting]))


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
def test_image_pulls_that_fail(reason: str) -> None:
    assert image_pull_failing(with_container(state={"waiting": {"reason": reason}}))
    assert not crash_looping(with_container(state={"waiting": {"reason": reason}}))


def test_a_memory_kill_counts_only_while_it_is_recent() -> None:
    ended = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-03-01T13:50:00Z"}
    killed = with_container(state={"running": {}}, lastState={"terminated": ended})

    assert oom_killed(killed) == ("app",)
    assert oom_killed(killed, since=NOW - timedelta(minutes=30)) == ("app",)
    assert oom_killed(killed, since=NOW - timedelta(minutes=5)) == ()
    assert oom_killed(with_container(lastState={"terminated": {"reason": "Error"}})) == ()


def test_only_a_controller_owner_is_an_owner() -> None:
    obj = {"metadata": {"ownerReferences": [{"kind": "A", "name": "a", "uid": "1"}]}}
    assert controller_of(obj) is None

    obj["metadata"]["ownerReferences"].append({"kind": "B", "name": "b", "uid": "2", "controller": True})  # type: ignore[dict-item]  # JSON
    assert controller_of(obj) == Owner("B", "b", "2")


@pytest.mark.parametrize(
    ("labels", "annotations", "expected"),
    [
        ({}, {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}, GitOps("Argo CD", "shop")),
        ({"argocd.argoproj.io/instance": "shop"}, {}, GitOps("Argo CD", "shop")),
        ({"kustomize.toolkit.fluxcd.io/name": "apps"}, {}, GitOps("Flux", "apps")),
        ({"helm.toolkit.fluxcd.io/name": "shop"}, {}, GitOps("Flux", "shop")),
        ({"app.kubernetes.io/instance": "shop", "app.kubernetes.io/managed-by": "Helm"}, {}, None),
    ],
    ids=["argo annotation", "argo label", "kustomization", "helm release", "plain helm"],
)
def test_gitops_is_known_by_its_own_marks(
    labels: dict[str, str], annotations: dict[str, str], expected: GitOps | None
) -> None:
    assert gitops_of(marked(of(), labels=labels, annotations=annotations).object) == expected
