"""An error query of one's own: when nobody asks the service, it says nothing, and that stops no repair."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.core.events import Decided, Verified
from controller.core.routes import Route
from remediations.plan import Outcome
from tests.loops.stage import MINUTE, Stage

QUERY = "sum(rate(shop_errors_total[5m])) / sum(rate(shop_requests_total[5m]))"
CALM = 0.002


def watched(stage: Stage, newest: Callable[[], float]) -> None:
    """Its policy names the query, which has given a little always, and now gives this."""
    begin = stage.clock.now()

    def answer(at: datetime) -> list[tuple[dict[str, str], float]]:
        wobble = CALM * (1 + 0.3 * ((at.timestamp() * 7919) % 97) / 97)
        return [({}, newest() if at > begin + 46 * MINUTE else wobble)]

    stage.prometheus.program(QUERY, answer)
    spec: dict[str, Any] = {
        "target": {"kind": "Deployment", "name": "checkout"},
        "metrics": {"signals": {"errors": QUERY}},
        "remediation": {"mode": "Auto", "automaticAbove": 90, "reviewAbove": 70},
    }
    stamped = {"name": "checkout", "namespace": "shop", "creationTimestamp": begin.isoformat()}
    stage.objects.add(SERVICE_POLICY, {"metadata": stamped, "spec": spec})


@pytest.mark.parametrize(
    ("newest", "acts"), [(math.nan, True), (math.inf, False)], ids=["nobody asks: 0/0", "failures of no requests"]
)
async def test_a_service_that_nobody_asks_is_repaired_and_one_with_impossible_numbers_is_not(
    newest: float, acts: bool
) -> None:
    """All pods crash-loop, so no request arrives: exactly then the repair is needed."""
    async with Stage(mode="") as stage:
        watched(stage, lambda: CALM if stage.missing[stage.checkout] == 0 else newest)
        await stage.learned(30)
        await stage.calm()
        stage.roll()
        await stage.run(5 * MINUTE)

        assert bool(stage.effects) is acts
        routes = {event.route for event in await stage.events(Decided)}
        assert (Route.AUTO in routes) is acts
        if acts:
            assert [event.outcome for event in await stage.events(Verified)] == [Outcome.EFFECTIVE]
