"""What stops an approved action: the kill switch in its ways, and a freeze window; each on the real API server."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

from tests.charts.chart import apply, of
from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.release import Release
from tests.endtoend.story import API, CRASHING, GOOD, Story, reasons

CRD = "automationpauses.trimtab.dev"
LONG_ENOUGH = 5.0
"""Seconds in which an approval that counts is carried out several times over."""


@contextmanager
def paused_by_object(story: Story) -> Iterator[None]:
    api = story.release.plane.api
    spec = {"reason": "network maintenance", "namespaces": [story.namespace]}
    body = {"apiVersion": API, "kind": "AutomationPause", "metadata": {"name": "maintenance"}, "spec": spec}
    api.create(body)
    yield
    api.delete(API, "automationpauses", "maintenance")


@contextmanager
def paused_by_annotation(story: Story) -> Iterator[None]:
    story.mark_namespace(pause="network maintenance")
    yield
    story.mark_namespace(pause=None)


@contextmanager
def paused_by_a_missing_kind(story: Story) -> Iterator[None]:
    plane = story.release.plane
    plane.api.delete("apiextensions.k8s.io/v1", "customresourcedefinitions", CRD)
    wait_for("the kind is gone", lambda: _served(story.release), until=lambda served: not served)
    yield
    definitions = of(story.release.objects, "CustomResourceDefinition")
    apply(plane, [found for found in definitions if found["metadata"]["name"] == CRD])
    wait_for("the kind is back", lambda: _served(story.release))


def _served(release: Release) -> bool:
    kinds = release.plane.api.request("GET", f"/apis/{API}")["resources"]
    return any(kind["name"] == "automationpauses" for kind in kinds)


def test_what_was_approved_is_not_carried_out_while_automation_is_paused_in_any_way(
    story: Story, trimtab: Trimtab
) -> None:
    asked = story.broken(trimtab)
    with ExitStack() as resuming:
        resuming.enter_context(paused_by_object(story))
        story.approve(asked)
        wait_for("the answer is taken", lambda: trimtab.logged("answer taken"), timeout=20)
        _nothing_happens(story)
        for way in (paused_by_annotation, paused_by_a_missing_kind):
            # The next pause is in force before the last one ends.
            before = resuming.pop_all()
            resuming.enter_context(way(story))
            before.close()
            _nothing_happens(story)
        assert "paus" in trimtab.cli("explain", asked["spec"]["incident"]).out

    story.executed(asked)
    assert story.image == GOOD
    assert story.denied == []


def _nothing_happens(story: Story) -> None:
    time.sleep(LONG_ENOUGH)
    assert story.effects == []
    assert story.image == CRASHING


def test_in_a_freeze_window_an_incident_waits_and_nobody_is_asked(story: Story, trimtab: Trimtab) -> None:
    now = datetime.now(UTC)
    window = {
        "from": (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"),
        "until": (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"),
        "timeZone": "UTC",
        "services": {"matchLabels": {"app": "checkout"}},
        "freeze": {},
    }
    story.healthy(trimtab)
    story.apply({"kind": "PlannedEvent", "metadata": {"name": "holidays"}, "spec": window})
    story.workloads.rollout("checkout", CRASHING)

    waiting = story.becomes("it waits", lambda item: (item.get("status") or {}).get("route") == "Wait", timeout=180)

    assert "frozen" in reasons(waiting)
    time.sleep(LONG_ENOUGH)
    assert story.effects == []
    assert story.denied == []
