"""`python -m tests.controlplane.story`: one incident told in the terminal, on a real API server, from fault to repair.

Nothing is acted: the cluster, the rollout that goes wrong, Prometheus, trimtab as a process with the rights that its
chart gives it, the question and the write are real. Only the containers are not, since kwok plays the kubelets, and
Slack is a stand-in. Leaves nothing running.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.charts.chart import Helm
from tests.controlplane import prometheus, provider
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.errors import FixtureError, MissingTool
from tests.controlplane.slack import Message, SlackServer
from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.release import Release
from tests.endtoend.story import CRASHING, GOOD, Json, Story, condition

T = TypeVar("T")
SHOP = "shop"
STEPS = 7
OPENING = """\
You are about to see a rollout go wrong on a Kubernetes API server that runs on this machine alone, while trimtab \
watches it through a real Prometheus, notices, finds the cause and asks you whether to go back to the version before. \
Nothing changes in that cluster until you say yes; then trimtab writes once, and calls the repair good only when the \
metrics of the new pods say so. It takes about three minutes (the first time about six more, to build Kubernetes), \
leaves nothing behind but that build, and Ctrl-C ends it at any time."""
AFTERWARDS = """\
What to try next
  the same with --reject       say no, and see that nothing is done
  .venv/bin/trimtab --help     the commands that you have just seen, and the others
  runbooks/library/            what trimtab knows how to repair; each file carries its own tests
  docs/                        install it in a cluster of yours: it observes, and has no right to change anything"""


class Teller:
    """Says what happens, one step after the other, with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._step = 0
        self._width = max(80, min(120, shutil.get_terminal_size((110, 24)).columns))

    def text(self, text: str = "") -> None:
        """A paragraph, wrapped."""
        print(textwrap.fill(text, self._width), flush=True)

    def block(self, text: str) -> None:
        """Somebody else's lines, indented."""
        print(textwrap.indent(text.rstrip("\n"), "    "), flush=True)

    def step(self, title: str) -> None:
        """The next step."""
        self._step += 1
        print(f"\n[{self._step}/{STEPS}] {title}", flush=True)

    def said(self, line: str) -> None:
        """One thing that happened."""
        print(f"  {time.monotonic() - self._began:5.0f} s  {line}", flush=True)

    def command(self, trimtab: Trimtab, *words: str, person: Path | None = None) -> None:
        """A command, as whoever's kubeconfig it is, and its answer."""
        print(f"\n  $ trimtab {shlex.join(words)}", flush=True)
        said = trimtab.cli(*words, kubeconfig=person, columns=self._width - 4)
        self.block(said.problem + said.out)


def main(arguments: Sequence[str] = ()) -> int:
    """Tell it; 0 when it ended as it should."""
    parser = argparse.ArgumentParser(prog="story", description="One incident on a real API server.")
    parser.add_argument("--yes", action="store_true", help="approve without asking; the choice without a terminal")
    parser.add_argument("--reject", action="store_true", help="say no instead")
    given = parser.parse_args(arguments)
    tell = Teller()
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        return told(tell, Answering(tell, given.yes, given.reject))
    except MissingTool as missing:
        print(f"\nThe demo cannot run here. {missing}", file=sys.stderr)
    except FixtureError as error:
        print(f"\nThe demo broke off: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nEnded. Nothing is left running.", file=sys.stderr)
        return 130
    return 1


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def told(tell: Teller, answering: Answering) -> int:
    """The story."""
    tell.text(OPENING)
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-demo-")))
        tell.step("A cluster, with trimtab's chart installed")
        release = cluster(tell, ending, folder)
        slack = SlackServer()
        ending.callback(slack.close)
        with release.workloads(SHOP) as workloads:
            story = Story(release, SHOP, workloads, release.plane.audit.mark())
            tell.step("trimtab starts, with the chart's own account")
            trimtab = release.leads(release.replica(slack).start())
            tell.said("it watches all namespaces, asks Prometheus every three seconds, and may act in shop only")
            tell.step("The service checkout runs well")
            story.healthy(trimtab)
            tell.said("4 of 4 pods of v41 are ready; trimtab remembers v41 as a version to go back to")
            tell.step("Somebody rolls out v42, which crashes as it starts")
            rollout = ("set", "image", "deployment/checkout", f"main={CRASHING}", f"--namespace={SHOP}")
            release.plane.kubectl(*rollout)
            tell.said(f"kubectl {' '.join(rollout)}")
            return incident(tell, answering, story, trimtab, slack)


def cluster(tell: Teller, ending: ExitStack, folder: Path) -> Release:
    """The control plane with chart and Prometheus."""
    for name in ("prometheus", "promtool"):
        prometheus.program(name)
    binaries = provider.binaries(say=tell.said)
    plane = ControlPlane(folder / "controlplane", binaries)
    ending.callback(plane.stop)
    plane.start()
    tell.said(f"etcd, API server, controllers and scheduler of Kubernetes {provider.KUBERNETES} answer")
    release = Release(plane, Helm(binaries), folder, [SHOP])
    ending.callback(release.close)
    release.start()
    tell.said("helm's objects are applied: CRDs, roles, admission policies; act.namespaces is {shop}")
    tell.said("Prometheus scrapes what the live pods do, with history behind it")
    return release


def incident(tell: Teller, answering: Answering, story: Story, trimtab: Trimtab, slack: SlackServer) -> int:
    """From the fault to its end."""
    tell.step("trimtab notices, and asks")
    question = during(tell, "watching", lambda: slack.wait_message(asks, timeout=120))
    asked = story.asked()
    name = asked["spec"]["incident"]
    tell.said(f"this stands in Slack now (and in `kubectl get remediations -n {SHOP}`, and on the page):")
    print()
    tell.block(shown(question))
    print()
    tell.said(f"changes that trimtab has made so far, by the API server's audit log: {len(story.effects)}")
    approve = answering.approves()
    tell.step("Your answer, and the repair" if approve else "Your answer")
    where = ("--namespace", SHOP, "--yes")
    mara = story.release.person("mara")
    if not approve:
        reason = ("--reason", "we fix it forward")
        tell.command(trimtab, "reject", name, *reason, *where, person=mara)
    else:
        tell.command(trimtab, "approve", name, *where, person=mara)
        story.executed(asked)
        tell.said("the one write is in; the old version comes back")
        outcome = during(
            tell, "verifying: the shipped runbook wants a minute of health", lambda: story.outcome(asked, 240)
        )
        tell.said(f"the pods' own metrics say: {outcome.lower()}")
    tell.step("What happened, and why")
    return ended(tell, story, trimtab, asked, approve=approve)


def ended(tell: Teller, story: Story, trimtab: Trimtab, asked: Json, *, approve: bool) -> int:
    """The story as trimtab tells it, and the judge's count."""
    name = asked["spec"]["incident"]
    wait_for("it is written down", lambda: settled(story.remediation(asked["metadata"]["name"])), timeout=30)
    tell.command(trimtab, "explain", name)
    changes = story.effects
    print()
    for change in changes:
        tell.said(f"the API server's audit log: {change.verb} {change.target} by {change.user}")
    tell.said(f"changes in all: {len(changes)}; refused by the API server: {len(story.denied)}")
    good = story.image == (GOOD if approve else CRASHING) and len(changes) == int(approve) and not story.denied
    print(f"\n{AFTERWARDS}", flush=True)
    return 0 if good else 1


def asks(message: Message) -> bool:
    """Whether a message is a question."""
    return "approve" in message.action_ids


def settled(item: Json) -> bool:
    """Whether everything about a Remediation is said."""
    return bool(condition(item, "Verified") or (item.get("status") or {}).get("answer", "").startswith("Reject"))


def shown(message: Message) -> str:
    """A message as text, without its formatting, its buttons in brackets."""
    told = replace(message, text="", blocks=[block for block in message.blocks if block["type"] != "actions"])
    buttons = "  ".join(f"[{element['text']['text']}]" for _, element in message.elements())
    return "\n".join([*told.plain.replace("*", "").strip().splitlines(), buttons])


def during(tell: Teller, what: str, wait: Callable[[], T]) -> T:
    """Say what is waited for, then wait."""
    tell.said(f"{what} …")
    return wait()


class Answering:
    """Asks you in the terminal; without one, or with a choice made before, it answers by itself."""

    def __init__(self, tell: Teller, yes: bool, reject: bool) -> None:
        self._tell = tell
        self._given = None if not (yes or reject) else not reject

    def approves(self) -> bool:
        """Whether the plan is approved."""
        if self._given is None and sys.stdin.isatty():
            return input("\n  Approve the rollback? [Y/n] ").strip().lower() in {"", "y", "yes"}
        approve = self._given is not False
        self._tell.said("approving" if approve else "rejecting" + ", as asked for")
        return approve


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
