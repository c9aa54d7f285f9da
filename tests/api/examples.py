"""One valid object of each kind that people write, as plain JSON, to be spoilt by tests."""

import copy
from typing import Any

Json = dict[str, Any]

POLICY: Json = {
    "apiVersion": "trimtab.dev/v1alpha1",
    "kind": "ServicePolicy",
    "metadata": {"name": "checkout", "namespace": "shop"},
    "spec": {
        "target": {"kind": "Deployment", "name": "checkout"},
        "metrics": {"preset": "istio"},
        "objectives": {"availability": "99.9%", "latency": {"quantile": 0.99, "below": "300ms"}},
        "scaling": {"mode": "Floor", "price": {"podHour": 0.04, "sloMinute": 5}},
        "canary": {"mode": "Rollback", "falseRollback": "1%"},
        "anomalies": {"falseAlarmsPerWeek": 1},
        "remediation": {
            "mode": "Auto",
            "automaticAbove": 90,
            "reviewAbove": 70,
            "approvers": ["group:sre-oncall", "mara"],
        },
    },
}

EVENT: Json = {
    "apiVersion": "trimtab.dev/v1alpha1",
    "kind": "PlannedEvent",
    "metadata": {"name": "black-friday", "namespace": "shop"},
    "spec": {
        "from": "2026-11-27T08:00:00",
        "until": "2026-11-27T22:00:00",
        "timeZone": "Europe/Berlin",
        "services": {"matchLabels": {"tier": "shop"}},
        "load": {"factor": 3.0, "uncertainty": "30%"},
        "freeze": {},
        "expects": [{"signal": "latency", "quantile": 0.99, "change": {"from": "10%", "to": "30%"}}],
    },
}

PAUSE: Json = {
    "apiVersion": "trimtab.dev/v1alpha1",
    "kind": "AutomationPause",
    "metadata": {"name": "network-maintenance"},
    "spec": {"reason": "network maintenance", "namespaces": ["shop"]},
}

REMEDIATION: Json = {
    "apiVersion": "trimtab.dev/v1alpha1",
    "kind": "Remediation",
    "metadata": {"name": "inc-2041-7f3a", "namespace": "shop"},
    "spec": {
        "incident": "INC-2041",
        "runbook": "crash-loop-after-rollout@3",
        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "5f2c"},
        "digest": "7f3a0123456789ab",
        "expires": "2026-11-20T14:17:00Z",
        "summary": "v42 crash-loops; go back to v41",
        "change": ["deployment/checkout: template of v42 → that of v41"],
        "diff": "-  image: shop/checkout:v42\n+  image: shop/checkout:v41\n",
        "decision": None,
    },
}

DECISION: Json = {"verdict": "Approve", "digest": "7f3a0123456789ab", "by": "mara", "reason": ""}


def spoilt(good: Json, path: str, value: Any) -> Json:
    """A copy with another value at a dotted path; `...` (Ellipsis) takes the field away."""
    bad = copy.deepcopy(good)
    *parents, last = path.split(".")
    node: Any = bad
    for part in parents:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return bad


IMPOSSIBLE: dict[str, tuple[Json, str, Any]] = {
    "target missing": (POLICY, "spec.target", ...),
    "target kind missing": (POLICY, "spec.target.kind", ...),
    "target kind small": (POLICY, "spec.target.kind", "deployment"),
    "S6 neither name nor labels": (POLICY, "spec.target.name", ...),
    "S6 empty selector": (POLICY, "spec.target", {"kind": "Deployment", "matchLabels": {}}),
    "name and labels": (POLICY, "spec.target.matchLabels", {"a": "b"}),
    "name no DNS name": (POLICY, "spec.target.name", "Check out"),
    "label value too long": (POLICY, "spec.target", {"kind": "Deployment", "matchLabels": {"a": "b" * 64}}),
    "too many labels": (
        POLICY,
        "spec.target",
        {"kind": "Deployment", "matchLabels": {f"a{number}": "b" for number in range(17)}},
    ),
    "preset unknown": (POLICY, "spec.metrics.preset", "isto"),
    "preset and signals": (POLICY, "spec.metrics.signals", {"load": "up"}),
    "query empty": (POLICY, "spec.metrics", {"signals": {"load": ""}}),
    "query too long": (POLICY, "spec.metrics", {"signals": {"load": "u" * 2049}}),
    "availability without unit": (POLICY, "spec.objectives.availability", "99.9"),
    "availability over 100": (POLICY, "spec.objectives.availability", "101%"),
    "availability a number": (POLICY, "spec.objectives.availability", 99.9),
    "quantile over 1": (POLICY, "spec.objectives.latency.quantile", 99),
    "quantile negative": (POLICY, "spec.objectives.latency.quantile", -0.5),
    "latency without unit": (POLICY, "spec.objectives.latency.below", "300"),
    "mode unknown": (POLICY, "spec.scaling.mode", "On"),
    "mode a boolean": (POLICY, "spec.scaling.mode", False),
    "price negative": (POLICY, "spec.scaling.price.podHour", -1),
    "false rollback a fraction": (POLICY, "spec.canary.falseRollback", 0.01),
    "false alarms a word": (POLICY, "spec.anomalies.falseAlarmsPerWeek", "one"),
    "remediation mode unknown": (POLICY, "spec.remediation.mode", "Automatic"),
    "automatic below 50": (POLICY, "spec.remediation.automaticAbove", 49),
    "automatic over 100": (POLICY, "spec.remediation.automaticAbove", 101),
    "automatic a fraction": (POLICY, "spec.remediation.automaticAbove", 0.9),
    "automatic a percent string": (POLICY, "spec.remediation.automaticAbove", "90%"),
    "automatic a numeric string": (POLICY, "spec.remediation.automaticAbove", "90"),
    "automatic never misspelt": (POLICY, "spec.remediation.automaticAbove", "never"),
    "review below 50": (POLICY, "spec.remediation.reviewAbove", 10),
    "approvers empty": (POLICY, "spec.remediation.approvers", []),
    "approver with blanks": (POLICY, "spec.remediation.approvers", ["mara and li"]),
    "approvers one string": (POLICY, "spec.remediation.approvers", "mara"),
    "too many approvers": (POLICY, "spec.remediation.approvers", [f"u{number}" for number in range(33)]),
    "spec missing": (POLICY, "spec", ...),
    "event without times": (EVENT, "spec.from", ...),
    "event without zone": (EVENT, "spec.timeZone", ...),
    "event with offset": (EVENT, "spec.from", "2026-11-27T08:00:00+01:00"),
    "event backwards": (EVENT, "spec.until", "2026-11-27T07:00:00"),
    "S6 event selects nothing": (EVENT, "spec.services", {}),
    "S6 event empty selector": (EVENT, "spec.services", {"matchLabels": {}}),
    "event without services": (EVENT, "spec.services", ...),
    "event both selectors": (EVENT, "spec.services", {"matchLabels": {"a": "b"}, "all": True}),
    "event all false": (EVENT, "spec.services", {"all": False}),
    "event factor negative": (EVENT, "spec.load.factor", -1),
    "event expects nothing": (EVENT, "spec.expects", []),
    "event signal unknown": (EVENT, "spec.expects", [{"signal": "heat", "change": {"from": "1%", "to": "2%"}}]),
    "event says nothing": (
        EVENT,
        "spec",
        {key: value for key, value in EVENT["spec"].items() if key not in ("load", "freeze", "expects")},
    ),
    "pause namespaces a string": (PAUSE, "spec.namespaces", "shop"),
    "pause namespace no DNS name": (PAUSE, "spec.namespaces", ["Shop"]),
    "pause reason too long": (PAUSE, "spec.reason", "r" * 1025),
    "remediation without digest": (REMEDIATION, "spec.digest", ...),
    "remediation digest no hex": (REMEDIATION, "spec.digest", "not-a-digest-at-all"),
    "remediation diff too long": (REMEDIATION, "spec.diff", "d" * 32769),
    "remediation expiry a word": (REMEDIATION, "spec.expires", "soon"),
}
"""What neither a file may say nor the API server may take, by what is wrong with it."""
