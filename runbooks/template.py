"""A runbook to start from: what `trimtab runbook new NAME` writes.

Promises that the text lints clean and that its tests pass, so that the first edit starts from green.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TEXT = """\
apiVersion: trimtab.dev/v1alpha1
kind: Runbook
metadata:
  name: {name}
  # namespace: shop                  # where it acts; a ClusterRunbook acts everywhere and has none
spec:
  summary: A new version crash-loops; go back to the one that ran.
  targets: [Deployment]
  when: objects.crashLooping.share >= 0.5 && changes.rollout.age < duration("30m")
  whenNot: changes.rollout.previousAlsoFailed
  cause: bad rollout
  steps:                             # cheapest reversible first; a person is always last
    - rollback: {{to: lastHealthy}}
      timeout: 5m
  verify:
    within: 10m                      # well again by then,
    for: 1m                          # and for this long without a break
    all: [replicas.ready >= replicas.desired, signals.errors.normal]
  expires: 15m                       # an unanswered question is never executed late
  # escalate: [{{after: 10m, to: group:sre-oncall}}]
  tests:
    - name: crash loop two minutes after a rollout
      given: {{objects: {{crashLooping: {{share: 0.6}}}}, changes: {{rollout: {{age: 2m, previousAlsoFailed: false}}}}}}
      expect: {{step: rollback, to: lastHealthy}}
    - name: the version before it crashed as well
      given: {{objects: {{crashLooping: {{share: 0.6}}}}, changes: {{rollout: {{age: 2m, previousAlsoFailed: true}}}}}}
      expect: nothing
"""


def template(name: str) -> str:
    """The text of a new runbook; raises ValueError for what cannot be a name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a runbook: small letters, digits and dashes, at most 63")
    return _TEXT.format(name=name)
