"""The other remediations, each once from fault to verified repair: more memory, taken back by a person; a restart."""

from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.story import Story, condition, runbook

HUNGRY = "registry.test/checkout:v41-oom-256Mi"
MORE_MEMORY = runbook(
    "oom-raise-memory-limit",
    "Pods are killed for memory again and again; raise the memory limit within bounds.",
    when="objects.oomKilled.count >= 2 && memory.limit > 0",
    when_not="changes.rollout.recent",
    cause="memory limit too low",
    step={"limits": {"factor": 2.0, "max": "1Gi"}},
    within="2m",
    lasting="3s",
)
RESTART = runbook(
    "restart-errors-without-change",
    "What it depends on has moved, and its pods hold on to old connections; restart them one by one.",
    when="alerts.firing && signals.errors.abnormal && replicas.ready >= replicas.desired",
    when_not="changes.rollout.recent || objects.crashLooping.count > 0",
    cause="dependency",
    step={"restart": {}},
    within="2m",
    lasting="3s",
)
# Nothing but the errors tells what the cause is: this service's people want to be asked nevertheless.
ASKED_SOONER = {
    "kind": "ServicePolicy",
    "metadata": {"name": "checkout"},
    "spec": {
        "target": {"kind": "Deployment", "name": "checkout"},
        "metrics": {"preset": "http"},
        "remediation": {"mode": "Approve", "reviewAbove": 50},
    },
}


def test_more_memory_ends_the_kills_and_a_person_can_take_it_back_exactly(story: Story, trimtab: Trimtab) -> None:
    story.apply(MORE_MEMORY)
    story.workloads.deploy("checkout", HUNGRY, 3, memory="128Mi")
    asked = story.asked()
    before = story.container()

    story.approve(asked)

    effect = story.executed(asked)
    assert effect.name == "checkout"
    assert story.container()["resources"] == {"limits": {"memory": "256Mi"}, "requests": {"memory": "256Mi"}}
    assert story.outcome(asked) == "Effective"

    where, mara = f"--namespace={story.namespace}", story.release.person("mara")
    undo = trimtab.cli("undo", asked["spec"]["incident"], where, "--yes", kubeconfig=mara)
    assert undo.code == 0, undo.problem + undo.out
    wait_for(
        "it is taken back",
        lambda: condition(story.remediation(asked["metadata"]["name"]), "Undone").get("status") == "True",
        timeout=120,
    )
    assert story.container() == before
    assert [effect.verb for effect in story.effects] == ["patch", "patch"]
    assert story.denied == []


def test_a_restart_replaces_pods_in_a_bad_state_and_is_verified_by_their_successors(
    story: Story, trimtab: Trimtab
) -> None:
    story.apply(RESTART)
    story.apply(ASKED_SOONER)
    story.healthy(trimtab)
    before = {pod["metadata"]["uid"] for pod in story.workloads.pods("checkout")}
    story.release.exporter.spoil(story.namespace, "checkout")
    asked = story.asked()
    assert "restart" in asked["spec"]["summary"]

    story.approve(asked)

    effect = story.executed(asked)
    assert effect.name == "checkout"
    assert story.outcome(asked) == "Effective"
    assert not before & {pod["metadata"]["uid"] for pod in story.workloads.pods("checkout")}
    assert len(story.effects) == 1
    assert story.denied == []
