"""What people write wrong is said where they wrote it: in the status of the object."""

from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.story import API, Json, Story, condition


def test_each_policy_that_cannot_speak_says_why_in_its_status(story: Story, trimtab: Trimtab) -> None:
    story.workloads.deploy("checkout", "registry.test/checkout:v41", 1, wait=True)
    for name, kind, target in (
        ("a-first", "Deployment", "checkout"),
        ("b-second", "Deployment", "checkout"),
        ("c-missing", "Deployment", "nowhere"),
        ("d-unknown", "CronJob", "checkout"),
    ):
        spec = {"target": {"kind": kind, "name": target}}
        story.apply({"kind": "ServicePolicy", "metadata": {"name": name}, "spec": spec})

    found = {name: _accepted(story, name) for name in ("a-first", "b-second", "c-missing", "d-unknown")}

    assert {name: (one["status"], one["reason"]) for name, one in found.items()} == {
        "a-first": ("True", "Accepted"),
        "b-second": ("False", "Conflict"),
        "c-missing": ("False", "TargetMissing"),
        "d-unknown": ("False", "UnknownKind"),
    }
    assert "CronJob" in found["d-unknown"]["message"]
    assert story.effects == []


def _accepted(story: Story, name: str) -> Json:
    return wait_for(
        f"{name} is judged",
        lambda: condition(story.release.plane.api.get(API, "servicepolicies", name, story.namespace), "Accepted"),
        timeout=120,
    )
