"""What a story is made of: how it begins, what others do meanwhile, when it is over, and how it is judged.

The defaults are those of an incident that one repair ends.
"""

from collections.abc import Collection, Mapping, Sequence

from tests.controlplane.api import Json
from tests.controlplane.audit import Effect
from tests.controlplane.workloads import Workloads
from tests.crash.ledger import Claim, Row, of_kind, writings
from tests.crash.load import Load
from tests.crash.replica import Replica
from tests.crash.verdict import Verdict, judge, writer

VERSION = "trimtab.dev/v1alpha1"
NAME = "checkout"


class Fault:
    """A fault that one remediation repairs. `effects` is what a whole story changes."""

    remediation: str
    effects = 1

    def env(self, load: Load | None) -> Mapping[str, str]:
        """Settings of its replicas."""
        return {}

    def policy(self, namespace: str) -> Json:
        """Ask a person, and take a diagnosis that is likelier than not for good enough to ask."""
        remediation = {"mode": "Approve", "automaticAbove": "Never", "reviewAbove": 50}
        return policy(namespace, {"remediation": remediation})

    def prepare(self, workloads: Workloads, load: Load | None) -> None:
        """Make the workload, before trimtab watches."""
        raise NotImplementedError

    def strike(self, workloads: Workloads) -> None:
        """Break it, once trimtab knows its healthy version."""

    def tell(self, workloads: Workloads, replica: Replica) -> None:
        """What others go on telling trimtab, again and again; without it the objects say it all."""

    def go_on(self, workloads: Workloads, rows: Sequence[Row]) -> None:
        """What people do once the log has come so far."""

    def over(self, workloads: Workloads, rows: Sequence[Row]) -> bool:
        """An incident was opened, every one is closed, every intent settled."""
        opened, ended = len(of_kind(rows, "opened")), len(of_kind(rows, "closed"))
        return 0 < opened == ended and settled(rows)

    def judge(
        self,
        workloads: Workloads,
        ours: Collection[str],
        effects: Sequence[Effect],
        fences: Sequence[Effect],
        rows: Sequence[Row],
        claims: Sequence[Claim],
    ) -> Verdict:
        """Hold what everybody wrote in the namespace against the store; `ours` are the replicas."""
        return judge(by(ours, effects), by(ours, fences), rows, claims)


def settled(rows: Sequence[Row]) -> bool:
    """Whether no intent is open."""
    return all(writing.outcome != "open" for writing in writings(rows))


def by(ours: Collection[str], writes: Sequence[Effect]) -> list[Effect]:
    """Those of the replicas."""
    return [write for write in writes if writer(write.user) in ours]


def policy(namespace: str, spec: Json) -> Json:
    """A policy for the story's workload."""
    return {
        "apiVersion": VERSION,
        "kind": "ServicePolicy",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"target": {"kind": "Deployment", "name": NAME}, **spec},
    }
