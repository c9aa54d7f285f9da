"""The stage of one run: a namespace, a database, a Lease and a user of its own on the shared control plane.

Plays everything that is not trimtab: the fault, the person who approves, the alerts, and the hand that starts a dead
replica again.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import yaml

from controller.adapters.database import open_database
from controller.api.crd import crds
from tests.controlplane.api import Api, ApiError
from tests.controlplane.audit import Mark, effects, fences
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.errors import NeverHappened
from tests.controlplane.postgres import Postgres
from tests.controlplane.slack import SlackServer
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads
from tests.crash.fault import VERSION, Fault
from tests.crash.faults import FAULTS, write_runbooks
from tests.crash.ledger import Ledger, Row, of_kind
from tests.crash.load import Load
from tests.crash.replica import APPROVER, HOME, Replica
from tests.crash.verdict import Verdict

LONGEST = 240.0
"""Seconds a whole story may take here; what is promised is measured apart."""
TRIMTAB = (sys.executable, "-m", "controller", "run")


@dataclass
class Stage:
    """Where one story plays. What people do in it is withheld until it is wanted."""

    plane: ControlPlane
    folder: Path
    workloads: Workloads
    api: Api
    ledger: Ledger
    database: str
    fault: Fault
    mark: Mark
    load: Load | None = None
    slack: SlackServer | None = None
    replicas: list[Replica] = field(default_factory=list)
    _struck: bool = False

    @property
    def namespace(self) -> str:
        """Its own namespace, whose name is also the Lease's."""
        return self.workloads.namespace

    @property
    def next_identity(self) -> str:
        """What the next replica will be called."""
        return f"{self.namespace}-{'abc'[len(self.replicas)]}"

    def replica(self, argv: Sequence[str] = TRIMTAB, **env: str) -> Replica:
        """One more replica of this stage, not started yet."""
        identity = self.next_identity
        base = {
            "TRIMTAB_KUBECONFIG": str(self.plane.user_kubeconfig(identity, "system:masters")),
            "TRIMTAB_DATABASE_URL": self.database,
            "TRIMTAB_LEASE_NAME": self.namespace,
            "TRIMTAB_WATCH_NAMESPACES": self.namespace,
            "TRIMTAB_ACT_NAMESPACES": self.namespace,
            "TRIMTAB_RUNBOOKS": str(self.folder / "runbooks"),
            **self.fault.env(self.load),
            **self._chat(),
        }
        made = Replica(self.folder, identity, {**base, **env}, argv)
        self.replicas.append(made)
        return made

    def _chat(self) -> dict[str, str]:
        """The settings for Slack, none without it."""
        if self.slack is None:
            return {}
        tokens = self.folder / "secrets" / "slack"
        tokens.mkdir(parents=True, exist_ok=True)
        (tokens / "bot-token").write_text(self.slack.bot_token)
        (tokens / "app-token").write_text(self.slack.app_token)
        return {
            "TRIMTAB_SECRETS": str(tokens.parent),
            "TRIMTAB_SLACK_CHANNEL": "C1",
            "TRIMTAB_SLACK_API_URL": self.slack.base_url,
        }

    def step(self, *, approving: bool = True) -> list[Row]:
        """Whatever the surroundings would do by now; the log as it stands."""
        rows = self.ledger.rows()
        if not self._struck and of_kind(rows, "revision-healthy"):
            self.fault.strike(self.workloads)
            self._struck = True
        for replica in self.replicas:
            if replica.awake:
                self.fault.tell(self.workloads, replica)
        if approving:
            self._approve()
            self.fault.go_on(self.workloads, rows)
        return rows

    def over(self, rows: Sequence[Row]) -> bool:
        """Whether the story is over."""
        return self.fault.over(self.workloads, rows)

    def play(
        self, what: str, done: Callable[[list[Row]], bool], *, timeout: float = LONGEST, approving: bool = True
    ) -> list[Row]:
        """Play on until `done(rows)`; the log then."""
        deadline = time.monotonic() + timeout
        while True:
            rows = self.step(approving=approving)
            if done(rows):
                return rows
            if time.monotonic() > deadline:
                story = [f"{row.stream} {row.kind} {row.at:%X}" for row in rows]
                raise NeverHappened(f"{what}: not within {timeout:g} s in {self.folder}; the log: {story}")
            time.sleep(0.5)

    def verdict(self) -> Verdict:
        """What the audit log and the store say of all replicas together."""
        found = self.fault.judge(
            self.workloads,
            {replica.identity for replica in self.replicas},
            effects(self.plane.audit, since=self.mark, namespace=self.namespace),
            fences(self.plane.audit, since=self.mark, namespace=self.namespace),
            self.ledger.rows(),
            self.ledger.claims(),
        )
        return replace(found, chain=asyncio.run(faults(self.database)))

    def pause(self) -> None:
        """Throw the kill switch for this namespace."""
        spec = {"reason": "a person said stop", "namespaces": [self.namespace]}
        self.api.create(
            {"apiVersion": VERSION, "kind": "AutomationPause", "metadata": {"name": self.namespace}, "spec": spec}
        )

    def _approve(self) -> None:
        for item in self.api.list(VERSION, "remediations", self.namespace):
            if item["spec"].get("decision") or (item.get("status") or {}).get("route") != "Ask":
                continue
            decision = {"verdict": "Approve", "digest": item["spec"]["digest"], "by": APPROVER, "reason": ""}
            try:
                self.api.patch(
                    VERSION, "remediations", item["metadata"]["name"], {"spec": {"decision": decision}}, self.namespace
                )
            except ApiError as error:
                if error.code not in {404, 409, 422}:
                    raise


async def faults(database: str) -> tuple[str, ...]:
    """What the program's own check finds wrong with its log (S34)."""
    store = await open_database(database, read_only=True)
    try:
        return (await store.verify()).faults
    finally:
        await store.close()


def prepared(plane: ControlPlane) -> None:
    """What all stages share: the kinds, and the replicas' own namespace."""
    if plane.api.find("v1", "namespaces", HOME) is not None:
        return
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(list(crds())))
    for crd in crds():
        name = crd["metadata"]["name"]
        plane.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    for crd in crds():
        plural = crd["spec"]["names"]["plural"]
        wait_for(
            f"{plural} are served",
            partial(plane.api.list, VERSION, plural),
            until=lambda found: found == [],
            absorb=(ApiError,),
        )
    plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})


@contextmanager
def staged(
    plane: ControlPlane,
    postgres: Postgres,
    remediation: str,
    folder: Path,
    *,
    chat: bool = False,
    load: Load | None = None,
) -> Iterator[Stage]:
    """A stage for one story, with Slack if wanted, with load where it is about a floor; its replicas are ended with it.
    Call `prepared` once before.
    """
    fault, name = FAULTS[remediation], f"{remediation}-{secrets.token_hex(3)}"
    api = Api(plane.user_kubeconfig(f"{APPROVER}-{name}", "system:masters"))
    with plane.namespace(name), postgres.database() as database:
        write_runbooks(folder / name / "runbooks")
        workloads = Workloads(api, name)
        mark = plane.audit.mark()
        api.create(fault.policy(name), name)
        fault.prepare(workloads, load)
        stage = Stage(plane, folder / name, workloads, api, Ledger(database), database, fault, mark, load)
        stage.slack = SlackServer() if chat else None
        try:
            yield stage
        finally:
            for replica in stage.replicas:
                replica.end()
            if stage.slack is not None:
                stage.slack.close()
            api.close()
