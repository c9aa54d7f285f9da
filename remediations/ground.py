"""The ground a plan stands on, beyond what it reads: telling our own fence and an autoscaler's step from a change that
matters.

An API server raises the generation of a Deployment for its annotations too, so the fence that a new leader writes
looks like a new generation; and an autoscaler's step is one, though nobody changed their mind. Spec and annotations
without the fence and without the number of replicas are digested instead. A plan that reads or writes that number
still rests on it (`rests_on`), and what may go missing of it is asked of the live reading (`guards`).
"""

from __future__ import annotations

import hashlib
import json

from remediations.cluster import Object
from remediations.pointer import without_nulls

FENCE = "trimtab.dev/epoch"
_NOT_GROUND = frozenset({FENCE, "deployment.kubernetes.io/revision"})
"""Ours, and the one that the Deployment controller writes by itself (through the status, which raises no generation).
"""


def fence_over(standing: str, epoch: int) -> str | None:
    """The fence of this epoch over the one that stands (empty: none): always another text, so that writing it raises
    the resourceVersion. `7` over an older epoch, `7.1` over `7`, `7.2` over `7.1`; None over a newer epoch.
    """
    leader, _, turn = standing.partition(".")
    before = int(leader) if leader.isdecimal() else 0
    if before > epoch:
        return None
    return f"{epoch}.{int(turn or 0) + 1}" if before == epoch and (turn or "0").isdecimal() else str(epoch)


def ground_of(obj: Object) -> str:
    """SHA-256 (16 hex digits) over spec and annotations, without the fence and `spec.replicas`."""
    annotations = obj["metadata"].get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if key not in _NOT_GROUND}
    spec = {key: value for key, value in without_nulls(obj["spec"]).items() if key != "replicas"}
    text = json.dumps([spec, kept], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
