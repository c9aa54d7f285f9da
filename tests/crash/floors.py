"""A floor from its first hold to its release: taken over, raised once its owner allows more, given back without policy.

Each is what people do once the log says that the one before is done. In the end the owner applies the autoscaler again,
without force: whoever is refused there was not given it back whole.
"""

from collections.abc import Collection, Mapping, Sequence

from tests.controlplane.api import APPLY_PATCH, ApiError, Json, url
from tests.controlplane.audit import Effect
from tests.controlplane.external import AUTOSCALING, autoscaler
from tests.controlplane.workloads import Workloads
from tests.crash.fault import NAME, VERSION, Fault, policy, settled
from tests.crash.ledger import Claim, Row, of_kind, writings
from tests.crash.load import REQUESTS, SCRAPE, Load
from tests.crash.minimums import HPAS, Shown, judge_floor
from tests.crash.verdict import Verdict

PER_POD = 10.0
LEAST, MOST, MORE = 2, 4, 5
"""The minimum that its owner wrote, the maximum, and the maximum later on."""
TAKEN, RAISED = 3, 4
"""Four fifths of the two maxima: the load asks for more than either."""
REQUESTED = "requests"
FLOOR = "floor"


class Floor(Fault):
    """No fault: load."""

    remediation = FLOOR
    effects = 3

    def env(self, load: Load | None) -> Mapping[str, str]:
        return {
            "TRIMTAB_PROMETHEUS_URL": given(load).prometheus.url,
            "TRIMTAB_SCRAPE_INTERVAL": str(SCRAPE),
            "TRIMTAB_DEMAND_SECONDS": "1",
        }

    def policy(self, namespace: str) -> Json:
        signals = {"load": f"vector({REQUESTS:g})"}
        return policy(namespace, {"metrics": {"signals": signals}, "scaling": {"mode": "Floor"}})

    def prepare(self, workloads: Workloads, load: Load | None) -> None:
        given(load).metrics.set(workloads.namespace, REQUESTED, REQUESTS)
        workloads.deploy(NAME, "registry.test/checkout:v1", LEAST, wait=True)
        owner_applies(workloads)

    def go_on(self, workloads: Workloads, rows: Sequence[Row]) -> None:
        """The owner allows more once the floor is held, and the policy is deleted once it is raised."""
        held = [row.body["replicas"] for row in of_kind(rows, "floor-held")]
        if not settled(rows):
            return
        if TAKEN in held and RAISED not in held:
            workloads.api.patch(AUTOSCALING, HPAS, NAME, {"spec": {"maxReplicas": MORE}}, workloads.namespace)
        if RAISED in held:
            unask(workloads)

    def over(self, workloads: Workloads, rows: Sequence[Row]) -> bool:
        """Nobody asks for a floor, every intent is settled, and nothing is held."""
        events = [row.kind for row in rows if row.stream.startswith("floor:")]
        unasked = workloads.api.find(VERSION, "servicepolicies", NAME, workloads.namespace) is None
        held = [kind for kind in events if kind in {"floor-held", "floor-released", "floor-ended"}][-1:]
        return unasked and bool(writings(rows)) and settled(rows) and held != ["floor-held"]

    def judge(
        self,
        workloads: Workloads,
        ours: Collection[str],
        effects: Sequence[Effect],
        fences: Sequence[Effect],
        rows: Sequence[Row],
        claims: Sequence[Claim],
    ) -> Verdict:
        return judge_floor(
            ours, effects, fences, rows, claims, left(workloads) if of_kind(rows, "floor-released") else ()
        )


def given(load: Load | None) -> Load:
    """The load, which a floor does not play without."""
    assert load is not None, "a floor needs `loaded` servers"
    return load


def shown(workloads: Workloads) -> Shown:
    """What the autoscaler shows now."""
    return Shown.of(workloads.api.get(AUTOSCALING, HPAS, NAME, workloads.namespace))


def owner_applies(workloads: Workloads, least: int = LEAST, most: int = MOST, *, force: bool = False) -> None:
    """The owner's manifest, applied from where it is kept."""
    manifest = autoscaler(NAME, REQUESTED, PER_POD, minimum=least, maximum=most)
    workloads.api.request(
        "PATCH",
        url(AUTOSCALING, HPAS, NAME, workloads.namespace),
        manifest,
        kind=APPLY_PATCH,
        params={"fieldManager": "owner", "force": str(force).lower()},
    )


def unask(workloads: Workloads) -> None:
    """Somebody deletes the policy."""
    if workloads.api.find(VERSION, "servicepolicies", NAME, workloads.namespace) is not None:
        workloads.api.delete(VERSION, "servicepolicies", NAME, workloads.namespace)


def left(workloads: Workloads) -> tuple[str, ...]:
    """What a release should have taken away and has not, and whether its owner has it back."""
    now = shown(workloads)
    told = [f"{name} is left" for name, _ in now.marks] + [f"an entry of {name} is left" for name in now.entries]
    if now.least != LEAST:
        told.append(f"the minimum is {now.least}, not {LEAST}")
    try:
        owner_applies(workloads, LEAST + 1, MORE)
    except ApiError as error:
        told.append(f"its owner is refused: {error}")
    return tuple(told)
