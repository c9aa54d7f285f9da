"""Bad data through adapter, detector and observation:

never normal, never abnormal, only unknown (S1; SAFETY.md, bad data).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.adapters.prometheus import Connection, PrometheusMetrics
from controller.core.alerts import Known
from controller.core.observe import observe
from controller.core.presets import PRESETS
from controller.core.reading import Trust
from controller.core.signals import error_shares
from controller.core.symptoms import symptoms
from controller.errors import BadQuery
from controller.ports import Paths
from detectors.anomaly.baseline import Baseline
from detectors.results import Abstention, Detection
from detectors.series import HEALTHY, Workload
from tests.baddata import FAMILIES, LOOK_BACK, SCRAPE, BadPrometheus, Case, Truth, cases
from tests.core.test_observe import Story
from tests.remediations.worlds import NOW

CHECKOUT = Workload("shop", "Deployment", "checkout")
SEARCH = Workload("shop", "Deployment", "search")
KNOWN = Known(frozenset({CHECKOUT, SEARCH}))
TRUTH = Truth(
    tuple({"destination_workload_namespace": "shop", "destination_workload": w.name} for w in (CHECKOUT, SEARCH)),
    NOW.timestamp(),
)
PRESET = PRESETS["istio"]
CASES = cases()


@pytest.fixture
def server() -> Iterator[BadPrometheus]:
    server = BadPrometheus(TRUTH)
    yield server
    server.close()


async def judged(server: BadPrometheus, patient: bool = True, trusting: bool = False) -> Detection | Abstention | None:
    """What the detector says of the error share of checkout, by way of the real adapter; None without any series."""
    connection = Connection(
        server.url,
        trust=Trust(scrape_interval=SCRAPE, look_back=LOOK_BACK),
        read_timeout=timedelta(seconds=10 if patient else 0.25),
        deadline=timedelta(seconds=20 if patient else 2),
        threads=1,
    )
    metrics = PrometheusMetrics(connection, lambda: datetime.fromtimestamp(TRUTH.now, UTC))
    start, window = NOW - timedelta(hours=1), timedelta(minutes=5)
    try:
        failures = await metrics.range(PRESET.failures(window), start, NOW, SCRAPE)
        load = await metrics.range(PRESET.load(window), start, NOW, SCRAPE)
    except BadQuery:
        return None
    finally:
        await metrics.close()
    if not isinstance(failures, Paths) or not isinstance(load, Paths):
        return None
    series = error_shares(failures, load, PRESET.naming, KNOWN, window).get(CHECKOUT)
    if series is None:
        return None
    return Baseline().detect(replace(series, health=HEALTHY) if trusting else series, {})[0]


async def facts(server: BadPrometheus, patient: bool = True) -> dict[str, Any]:
    world = await Story().world()
    return dict(observe(world, None, await judged(server, patient), NOW))


async def test_the_plain_truth_is_normal_or_abnormal_as_it_is(server: BadPrometheus) -> None:
    """Else the cases below would prove nothing."""
    calm = await facts(server)
    server.truth = replace(TRUTH, burning=True)
    burning = await facts(server)

    assert (calm["signals.errors.normal"], calm["signals.errors.abnormal"]) == (True, False)
    assert (burning["signals.errors.normal"], burning["signals.errors.abnormal"]) == (False, True)


@pytest.mark.parametrize("burning", [False, True], ids=["healthy", "burning"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_bad_data_leave_the_error_share_unknown(server: BadPrometheus, family: str, burning: bool) -> None:
    server.truth = replace(TRUTH, burning=burning)
    mine = [case for case in CASES if case.family == family]
    if family == "slow":
        mine = mine[:12]

    wrong: list[tuple[Case, dict[str, Any]]] = []
    for case in mine:
        server.case = case
        evidence = await facts(server, patient=family != "slow")
        if [name for name in evidence if name.startswith("signals.")] or symptoms(evidence):
            wrong.append((case, evidence))

    assert mine
    assert not wrong, f"{len(wrong)} of {len(mine)}, first {wrong[0]}"


@pytest.mark.parametrize("family", ["stale", "partial", "duplicate", "clock off", "restarted"])
async def test_the_cases_would_be_believed_by_who_ignores_health(server: BadPrometheus, family: str) -> None:
    """Else they would be caught by chance, not by their health."""
    believed = 0
    for case in [case for case in CASES if case.family == family][:20]:
        server.case = case
        believed += isinstance(await judged(server, trusting=True), Detection)

    assert believed


def test_a_thousand_cases_are_distinct_and_the_same_each_time() -> None:
    assert len(CASES) >= 1_000
    assert len({str(case) for case in CASES}) == len(CASES)
    assert [str(case) for case in CASES] == [str(case) for case in cases()]
    assert Counter(case.family for case in CASES).keys() == FAMILIES.keys()
    assert {str(case) for case in cases(seed=1)} != {str(case) for case in CASES}
