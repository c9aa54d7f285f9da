"""A runbook as people write it, and the evidence it speaks about."""

from collections.abc import Mapping
from datetime import timedelta

from runbooks.evidence import Evidence, Value
from runbooks.load import load_text
from runbooks.schema import Runbook

EXAMPLE = """\
apiVersion: trimtab.dev/v1alpha1
kind: Runbook
metadata: {name: crash-loop-after-rollout}
spec:
  summary: A new version crash-loops; go back to the one that ran.
  targets: [Deployment]
  when: objects.crashLooping.share >= 0.5 && changes.rollout.age < duration("30m")
  whenNot: changes.rollout.previousAlsoFailed
  cause: bad rollout
  steps:
    - rollback: {to: lastHealthy}
      timeout: 5m
  verify:
    within: 10m
    all: [replicas.ready >= replicas.desired, signals.errors.normal]
  escalate: [{after: 10m, to: group:sre-oncall}]
  tests:
    - name: crash loop two minutes after a rollout
      given: {objects: {crashLooping: {share: 0.6}}, changes: {rollout: {age: 2m, previousAlsoFailed: false}}}
      expect: {step: rollback, to: lastHealthy}
    - name: the version before it crashed as well
      given: {objects: {crashLooping: {share: 0.6}}, changes: {rollout: {age: 2m, previousAlsoFailed: true}}}
      expect: nothing
"""

CRASHING: Evidence = {
    "objects.crashLooping.share": 0.6,
    "changes.rollout.age": timedelta(minutes=2),
    "changes.rollout.previousAlsoFailed": False,
}


def runbook(text: str = EXAMPLE) -> Runbook:
    """The one runbook of a text that has no problems."""
    loaded = load_text(text, "my.yaml")
    assert loaded.problems == ()
    (only,) = loaded.runbooks
    return only


def without(evidence: Evidence, name: str) -> Evidence:
    """The evidence as if this fact had not been measured."""
    return {fact: value for fact, value in evidence.items() if fact != name}


def with_(evidence: Evidence, changes: Mapping[str, Value]) -> Evidence:
    """The evidence with other values."""
    return {**evidence, **changes}
