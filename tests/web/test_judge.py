"""`POST /v1/canary/judge`: the verdict for other tools, and counts that cannot be."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from controller.web.judge import EXAMPLES, MOST_LOOKS
from tests.web.client import visit
from tests.web.memory import furnished

PATH = "/v1/canary/judge"
TOKEN = {"authorization": "Bearer token-of-mara"}
BAD, HEALTHY = EXAMPLES


async def asked(body: Any, headers: dict[str, str] = TOKEN) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    sent = {"content-type": "application/json", **headers}
    answer = await visit(furnished()).http.post(PATH, content=content, headers=sent)
    return answer.status_code, answer.json()


def look(minute: int, canary: Any, baseline: Any) -> dict[str, Any]:
    return {"at": f"2026-11-20T14:{minute:02}:00Z", "canary": canary, "baseline": baseline}


def counts(requests: float, failures: float) -> dict[str, float]:
    return {"requests": requests, "failures": failures}


async def test_the_documented_examples_are_judged() -> None:
    status, bad = await asked(BAD)
    assert (status, bad["verdict"]) == (200, "roll-back")
    assert bad["text"].startswith("the new version fails 4.3 % of its requests, the old one 0.2 %: e-value ")
    assert bad["e_value"] >= bad["e_value_needed"] == pytest.approx(200.0)

    status, healthy = await asked(HEALTHY)
    assert (status, healthy["verdict"]) == (200, "promote")


async def test_what_is_not_decided_says_how_far_it_is() -> None:
    status, said = await asked({"looks": [look(n, counts(50, 1), counts(50, 0)) for n in range(3)]})

    assert (status, said["verdict"]) == (200, "hold")
    assert 0 < said["progress"] < 1


async def test_healthy_looks_are_promoted() -> None:
    status, said = await asked({"looks": [look(n, counts(5000, 5), counts(5000, 5)) for n in range(8)]})

    assert (status, said["verdict"]) == (200, "promote")


async def test_looks_that_nobody_measured_are_no_verdict() -> None:
    """`null` is not a zero."""
    measured, lost = [look(n, counts(500, 1), counts(500, 1)) for n in range(4)], look(4, None, counts(500, 1))
    status, said = await asked({"looks": [*measured, lost, {**lost, "at": "2026-11-20T14:05:00Z"}]})

    assert (status, said["verdict"], said["reason"]) == (200, "cannot-know", "canary-missing")
    assert said["needed"]


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    body: Any = copy.deepcopy(BAD)
    at = body
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return dict(body)


BOTH = {
    "looks": [look(0, counts(5, 0), counts(5, 0))],
    "totals": {"canary": counts(5, 0), "baseline": counts(5, 0)},
}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (changed(("looks", 1, "canary", "failures"), 501), "looks.1.canary: 501 failures of 500 requests"),
        (changed(("looks", 0, "baseline", "failures"), -1), "looks.0.baseline.failures"),
        (changed(("looks", 0, "baseline", "requests"), 1e13), "looks.0.baseline.requests"),
        (changed(("looks", 2, "at"), "2026-11-20T14:01:00Z"), "looks.2.at is not later"),
        (changed(("looks", 2, "at"), "2026-11-20T14:02:00"), "looks.2.at"),
        (changed(("alpha",), 0), "alpha"),
        (changed(("alpha",), 5e-324), "alpha"),
        (changed(("alfa",), 0.01), "alfa"),
        ({"looks": []}, "looks"),
        ({"looks": [look(n, None, counts(5, 0)) for n in range(3)]}, "canary: not a single request"),
        ({"totals": {"canary": counts(10, 1), "baseline": counts(0, 0)}}, "baseline: not a single request"),
        (BOTH, "exactly one of them"),
        ({}, "exactly one of them"),
        ({"looks": [look(0, counts(1, 0), counts(1, 0))] * (MOST_LOOKS + 1)}, "looks"),
        ('{"totals": {"canary": {"requests": NaN, "failures": 0}, "baseline": {}}}', "requests"),
        ('{"totals": {"canary": {"requests": Infinity, "failures": 0}, "baseline": {}}}', "requests"),
        ("{", "body"),
        (b"\xff", "body"),
        ("3", "body"),
    ],
    ids=[
        "more failures than requests", "negative", "more than there can be", "time stands still", "no time zone",
        "alpha of nothing", "alpha of next to nothing", "a word unknown", "no looks",
        "canary never measured", "baseline never asked", "both",
        "neither", "too many looks", "NaN", "infinite", "broken", "no text", "no object",
    ],
)  # fmt: skip
async def test_counts_that_cannot_be_are_refused_with_their_place_and_what_to_do(body: Any, place: str) -> None:
    status, said = await asked(body)

    assert status == 422
    assert place in said["error"]
    assert said["remedy"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer nobody"}], ids=["no token", "a wrong one"])
@pytest.mark.parametrize("body", [BAD, "{"], ids=["a fine body", "a broken one"])
async def test_without_a_valid_token_nothing_is_judged_and_nothing_is_parsed(
    headers: dict[str, str], body: Any
) -> None:
    status, said = await asked(body, headers)

    assert status == 401
    assert "Authorization: Bearer TOKEN" in said["remedy"]


async def test_the_description_carries_both_examples() -> None:
    described = (await visit(furnished()).http.get("/openapi.json")).json()["paths"][PATH]["post"]

    assert described["requestBody"]["content"]["application/json"]["schema"]["examples"] == EXAMPLES
    assert set(described["responses"]) >= {"200", "401", "422"}
