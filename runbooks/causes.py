"""The causes that diagnosis ranks, by the names that runbooks write under `cause`.

A runbook is trusted as far as diagnosis speaks for its cause, so one that names another cause could never act or even
ask: that is an error when it loads, not silence later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CAUSES: Final[Mapping[str, str]] = {
    "bad rollout": "the version that was rolled out last fails",
    "image cannot be pulled": "pods wait for an image that does not come",
    "new version never becomes ready": "the rollout is stuck, and no pod crashes",
    "memory limit too low": "containers are killed for memory again and again",
    "process in a bad state": "requests fail while the pods run and nothing changed",
    "dependency": "something the workload calls fails",
    "node": "all failing pods share one node",
}
