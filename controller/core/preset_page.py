"""The reference page of the presets:

what each needs and the exact queries it asks. Written from the code, compared by a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from controller.core.presets import PRESETS, Naming, Preset, of_twins

WINDOW = timedelta(minutes=5)
QUANTILE = 0.99

INTRODUCTION = """\
# Metrics presets

<!-- Written by make crds from controller/core/presets.py. Do not edit. -->

A ServicePolicy names one under `metrics.preset`, or gives queries of its own under `metrics.signals`. A preset asks
for the whole fleet at once and matches the answer to the workloads that exist: no name of a namespace, workload or
label is put into such a query. Only while a rollout is under way are its own pods' counters asked for, by the names
of its namespace and its two ReplicaSets, and only if they have the form of a Kubernetes name. Windows (5 min here)
and the quantile are numbers from the settings and the policy.

The share of errors is failures divided by load, per workload, and only where there was load: without requests it is
unknown, not zero, and the data are healthy. The same holds for a query of one's own whose one value is NaN (0/0). A
service that never failed answers zero failures as long as its load is known.

A label set that names no known workload, or more than one, is left out; a single label that names none is passed over
(an application may have a label `deployment` of its own). Pods that are gone are matched by how their kind names pods;
names that were cut for length are not matched.

Where two servers scrape the same pods (highly available twins) and the store behind the address answers with both,
name the label by which they differ under `prometheus_replica_labels`. Then every query below takes the larger of twins
before it adds anything up, so that each counts once:

```promql
{twins}
```

Without that setting such a store doubles every load and every count; `trimtab doctor` says so where it sees it. A
store that takes twins out itself (Mimir, Thanos with `--query.replica-label`) needs nothing. A query of one's own is
asked as it stands: take twins out in it (`max without (prometheus_replica) (…)` inside of every `sum`).

What is not covered: the pulse (below) sees that a *server* stopped scraping, not that one target did. A target that
vanishes keeps its last rate for at most one window, then its signals are missing.

## Trust

| problem | when |
|---|---|
| `missing` | the answer, the newest value or the pulse is empty |
| `stale` | a sample, or the newest scrape of the pulse, is older than two scrapes |
| `gapped` | a hole of more than two scrapes within the last look-back |
| `recovering` | fewer than 90 % of the scrapes of one look-back are there, or none at its beginning |
| `partial`, `warned` | the server answered with `warnings` (`PromQL warning:` is `warned` only; `infos` are neither) |
| `duplicate` | a series came twice, or twins (`prometheus_replica_labels`) differ by more than 10 % |
| `not-finite` | NaN or an infinity was left out |
| `reset` | a rate below zero, or a share outside of 0–1 |
| `clock-skew` | the server's clock is more than 30 s off ours, or samples lie in the future |

Any of them: the value is not judged, and nothing is done on its word. The *pulse* is one query on the scraped series
`up` (setting `prometheus_pulse`), at most once per scrape interval: its age, how many scrapes the look-back holds,
and whether its beginning holds one. It is plain PromQL and works on Prometheus, Thanos and Mimir alike. With several
shards behind one address, name series of a target you rely on, such as `up{job="kube-state-metrics"}`; without `up`
(metrics that are pushed), name any series that is always there.
"""


def page() -> str:
    """The whole page."""
    twins = of_twins(["prometheus_replica"])["istio"].load(WINDOW)
    return INTRODUCTION.replace("{twins}", twins) + "".join(
        line for preset in PRESETS.values() for line in section(preset)
    )


def section(preset: Preset) -> Iterator[str]:
    """One preset: needs, labels, queries."""
    yield f"\n## {preset.name}\n\nNeeds {preset.needs}.\n\nFound by {found_by(preset.naming)}.\n"
    queries = {
        f"load ({preset.load_unit})": preset.load(WINDOW),
        "failures (requests/s)": preset.failures(WINDOW),
        "latency (s)": preset.latency(WINDOW, QUANTILE),
    }
    for title, query in queries.items():
        yield f"\n{title}:\n\n```promql\n{query}\n```\n" if query else f"\n{title.partition(' ')[0]}: none.\n"
    yield from by_pod(preset)


def by_pod(preset: Preset) -> Iterator[str]:
    """The counters that a rollout is judged by."""
    if not preset.per_pod:
        yield "\nby pod, for rollouts: none.\n"
        return
    example = ("shop", ("checkout-5d8f7c9b6", "checkout-7b6f5c4d8"))
    for title, query in {"requests": preset.pod_requests(*example), "failures": preset.pod_failures(*example)}.items():
        yield f"\n{title} by pod, for rollouts:\n\n```promql\n{query}\n```\n"


def found_by(naming: Naming) -> str:
    """The labels in words."""
    names = [f"`{label}`" + (f" ({kind})" if kind else "") for label, kind in naming.names]
    names += [f"`{label}` (by its owner)" for label in naming.pods]
    return f"{' or '.join(f'`{label}`' for label in naming.namespaces)} with {', else '.join(names)}"
