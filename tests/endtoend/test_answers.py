"""The other doors: kubectl and the page take an answer as Slack does, and nobody gets in who may not."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.controlplane.errors import FixtureError
from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.release import ANNA
from tests.endtoend.story import GOOD, Story

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    Json = dict[str, object]

MAY_WRITE = [{"apiGroups": ["trimtab.dev"], "resources": ["remediations"], "verbs": ["get", "patch"]}]


def test_an_approval_by_kubectl_is_carried_out_once_and_whoever_may_not_is_refused(
    story: Story, trimtab: Trimtab
) -> None:
    asked = story.broken(trimtab)
    release = story.release
    _may_write_but_not_approve(story, "eve")

    def refused(attempt: Callable[[], object]) -> str:
        with pytest.raises(FixtureError) as refusal:
            attempt()
        return str(refusal.value)

    stranger, eve, mara = (release.person(name) for name in ("stranger", "eve", "mara"))
    assert "Forbidden" in refused(lambda: story.decide(asked, "stranger", kubeconfig=stranger))
    assert "eve may not approve remediations" in refused(lambda: story.decide(asked, "eve", kubeconfig=eve))
    assert "must be whoever writes it: mara" in refused(lambda: story.decide(asked, "li", kubeconfig=mara))
    assert "must be whoever writes it: eve" in refused(lambda: story.decide(asked, "mara", kubeconfig=eve))
    assert story.effects == []

    story.decide(asked, "mara", kubeconfig=mara)

    effect = story.executed(asked)
    assert effect.name == "checkout"
    assert "once" in refused(lambda: story.decide(asked, "mara", verdict="Reject", kubeconfig=mara))
    assert story.image == GOOD
    assert story.remediation(asked["metadata"]["name"])["status"]["decision"]["via"] == "kubectl"
    assert story.denied == []


def _may_write_but_not_approve(story: Story, user: str) -> None:
    api, group = story.release.plane.api, "rbac.authorization.k8s.io"
    version = f"{group}/v1"
    api.create({"apiVersion": version, "kind": "Role", "metadata": {"name": user}, "rules": MAY_WRITE}, story.namespace)
    binding = {
        "apiVersion": version,
        "kind": "RoleBinding",
        "metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": user},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    api.create(binding, story.namespace)


def test_an_approval_on_the_page_is_carried_out_once(story: Story, trimtab: Trimtab, chromium: "Browser") -> None:
    asked = story.broken(trimtab)
    page = chromium.new_page()
    page.goto(f"{trimtab.url}/login")
    page.get_by_label("Kubernetes token").fill(story.release.token())
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{trimtab.url}/")
    page.goto(f"{trimtab.url}/review")
    card = page.locator("section", has=page.get_by_role("link", name=asked["spec"]["incident"]))
    assert "roll back" in card.inner_text().lower()
    assert story.effects == []

    card.get_by_role("button", name="Approve the rollback").click()

    effect = story.executed(asked)
    assert effect.name == "checkout"
    assert story.image == GOOD
    shown = story.remediation(asked["metadata"]["name"])["status"]["decision"]
    assert (shown["by"], shown["via"]) == (ANNA, "page")
    page.goto(f"{trimtab.url}/incidents/{asked['spec']['incident']}")
    wait_for("the page tells it", lambda: "rolled back to v41 by" in page.inner_text("main"), timeout=90)
    page.close()
    assert len(story.effects) == 1
    assert story.denied == []
