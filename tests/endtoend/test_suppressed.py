"""A repair that did not happen cannot be verified: the metrics are computed from the pods that live (S24)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.slack import SlackServer
from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.release import Release
from tests.endtoend.story import CRASHING, Story, condition
from tests.endtoend.suppressing import SuppressingProxy

SHARE = (
    'sum(rate(http_requests_total{{namespace="{0}",code=~"5.."}}[20s])) '
    '/ sum(rate(http_requests_total{{namespace="{0}"}}[20s])) > 0.3'
)


@pytest.fixture
def proxy(release: Release, tmp_path: Path) -> Iterator[SuppressingProxy]:
    plane = release.plane
    made = SuppressingProxy(plane.admin_by_token(), plane.ca_file, plane.server, tmp_path)
    yield made
    made.close()


@pytest.fixture
def behind(release: Release, slack_server: SlackServer, proxy: SuppressingProxy) -> Iterator[Trimtab]:
    """A replica that reaches the API server through the proxy."""
    release.end()
    account = release.plane.service_account_kubeconfig("trimtab", "trimtab")
    replica = release.replica(slack_server, kubeconfig=proxy.kubeconfig_for(account)).start()
    release.leads(replica)
    yield replica
    release.end()


def test_a_write_that_was_suppressed_is_not_verified_and_a_person_takes_it(
    story: Story, behind: Trimtab, proxy: SuppressingProxy, slack_server: SlackServer
) -> None:
    asked = story.broken(behind, within="12s")
    # Judged against what was before: the errors have to have risen as far as they will.
    story.release.prometheus.wait_for(SHARE.format(story.namespace))
    proxy.suppress = True

    story.approve(asked)

    assert story.outcome(asked) == "Ineffective"
    assert story.effects == []
    assert story.image == CRASHING
    shown = story.remediation(asked["metadata"]["name"])
    assert condition(shown, "Executed")["status"] == "True"
    assert condition(shown, "Verified")["status"] == "False"
    message = slack_server.messages[0]
    wait_for("a person is told", lambda: "a person has to take it" in message.plain, timeout=120)
    assert "person has to take it" in behind.cli("explain", asked["spec"]["incident"]).out
