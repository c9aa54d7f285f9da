"""`POST /v1/canary/judge`: the judge of rollouts for other tools, on counts that they bring.

Promises the same verdict as the rollouts loop would give on these counts, and that counts which cannot be are refused
with their place and what to do. Changes nothing and remembers nothing.
"""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any, Literal, Self

import numpy as np
from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from controller.core.words import percent, times
from controller.web.failures import PageFailure
from controller.web.rest import PROBLEMS, AtDoor, inlined
from detectors.canary.evidence import Arm, Evidence
from detectors.canary.verdict import Sequential
from detectors.results import CannotKnow, Counted, Hold, Measured, Promote, RollBack, Verdict

router = APIRouter()

MOST_LOOKS = 240
MOST_REQUESTS = 1e12
Amount = Annotated[float, Field(ge=0, le=MOST_REQUESTS, allow_inf_nan=False)]


class Model(BaseModel):
    """Closed: a word that is not known is an error, not silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CountsIn(Model):
    """What one version counted."""

    requests: Amount = Field(description="Requests answered.")
    failures: Amount = Field(description="Those of them that failed; never more than `requests`.")


class LookIn(Model):
    """What both versions counted since the look before. `null`: not measured, which is not the same as nothing."""

    at: AwareDatetime = Field(description="When it was looked, with a time zone; later than the look before.")
    canary: CountsIn | None = Field(description="The new version.")
    baseline: CountsIn | None = Field(description="The old version, over the same time.")


class TotalsIn(Model):
    """What both versions counted in all: one look only, at a time that was fixed before."""

    canary: CountsIn = Field(description="The new version.")
    baseline: CountsIn = Field(description="The old version, over the same time.")


EXAMPLES: list[JsonValue] = [
    {
        "alpha": 0.01,
        "looks": [
            {
                "at": f"2026-11-20T14:0{minute}:00Z",
                "canary": {"requests": 500, "failures": failures},
                "baseline": {"requests": 4500, "failures": 9},
            }
            for minute, failures in enumerate((19, 24, 21))
        ],
    },
    {
        "alpha": 0.01,
        "totals": {
            "canary": {"requests": 10_000, "failures": 12},
            "baseline": {"requests": 90_000, "failures": 100},
        },
    },
]


class JudgeIn(Model):
    """Counts of two versions, by looks (to be asked again with all looks so far, as often as one likes) or in all."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": EXAMPLES})

    alpha: float = Field(
        default=0.01,
        ge=1e-9,
        le=0.5,
        allow_inf_nan=False,
        description="Share of good versions that may be rolled back by mistake, over all looks at one rollout.",
    )
    looks: list[LookIn] | None = Field(
        default=None, min_length=1, max_length=MOST_LOOKS, description="Every look so far, oldest first."
    )
    totals: TotalsIn | None = Field(default=None, description="Instead of looks: one look at the end.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.looks is None) == (self.totals is None):
            raise ValueError("give looks or totals: exactly one of them")
        return self


class CountedOut(BaseModel):
    """What counted for the verdict: looks at which both versions were measured and asked."""

    requests: float
    failures: float
    share: float | None = Field(description="Failed over all; null without a request.")


class VerdictOut(BaseModel):
    """The verdict, with the numbers behind it. A version may be promoted by doing nothing."""

    verdict: Literal["promote", "hold", "roll-back", "cannot-know"]
    text: str = Field(description="In one sentence.")
    progress: float = Field(description="How far the nearer decision is, 0–1.")
    canary: CountedOut | None = None
    baseline: CountedOut | None = None
    e_value: float | None = Field(default=None, description="How many times likelier if the new version is worse.")
    e_value_needed: float | None = Field(default=None, description="What it has to reach for a rollback.")
    dispersion: float | None = Field(default=None, description="What the evidence was discounted by; 1: not at all.")
    reason: str = Field(default="", description="Why it cannot be known, as a constant word.")
    needed: str = Field(default="", description="What would be needed to know.")


class ImpossibleCounts(PageFailure):
    """Counts that cannot be: where, and what to do."""

    status = 422
    title = "These counts cannot be"


SCHEMA = JudgeIn.model_json_schema()
BODY: dict[str, Any] = inlined(SCHEMA, SCHEMA.get("$defs", {}))
"""The documented body; it is parsed by hand, after the token was looked at."""


@router.post(
    "/v1/canary/judge",
    tags=["canary"],
    responses={
        **PROBLEMS,
        422: {"model": PROBLEMS[422]["model"], "description": "Counts that cannot be, with their place"},
        400: {"description": "The body broke off"},
        411: {"description": "The body's length is not declared"},
        413: {"description": "The body is too large"},
    },
    response_model=VerdictOut,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}}},
)
async def judge(request: Request, door: AtDoor) -> Response:
    """Judge a new version by the old one, valid at every look. Needs `Authorization: Bearer` with a Kubernetes token.

    Ask again with all looks so far: the verdict is good at each, whenever you stop.
    """
    await door.caller(request)
    try:
        body = await request.body()
    except ClientDisconnect:
        return Response(status_code=400)
    asked = parsed(body)
    evidence = evidence_of(asked)
    verdict = await asyncio.to_thread(Sequential().judge, evidence, asked.alpha)
    return JSONResponse(shown(verdict).model_dump())


def parsed(body: bytes) -> JudgeIn:
    """The body as a request; raises ImpossibleCounts with the first places that are wrong."""
    try:
        return JudgeIn.model_validate_json(body)
    except ValidationError as error:
        found = [f"{'.'.join(str(part) for part in one['loc']) or 'body'}: {one['msg']}" for one in error.errors()[:3]]
        raise ImpossibleCounts("; ".join(found), "see /openapi.json for the shape, with examples") from error


def evidence_of(asked: JudgeIn) -> Evidence:
    """The counts as evidence; raises ImpossibleCounts."""
    looks: list[tuple[str, CountsIn | None, CountsIn | None]]
    if asked.totals is not None:
        looks, stamps = [("totals", asked.totals.canary, asked.totals.baseline)], [0.0]
    else:
        given = asked.looks or []
        looks = [(f"looks.{number}", look.canary, look.baseline) for number, look in enumerate(given)]
        stamps = [look.at.timestamp() for look in given]
    in_order(stamps)
    canary = arm([(f"{where}.canary", new) for where, new, _ in looks], "canary")
    baseline = arm([(f"{where}.baseline", old) for where, _, old in looks], "baseline")
    return Evidence(np.array(stamps, dtype=np.float64), canary, baseline, whole=asked.totals is not None)


def in_order(stamps: list[float]) -> None:
    """Time goes on from look to look."""
    for number in range(1, len(stamps)):
        if stamps[number] <= stamps[number - 1]:
            told = f"looks.{number}.at is not later than the look before"
            raise ImpossibleCounts(told, "send every look once, oldest first, with counts since the look before")


def arm(counts: list[tuple[str, CountsIn | None]], name: str) -> Arm:
    """One version's counts; raises ImpossibleCounts for more failures than requests, and for nothing at all."""
    for where, one in counts:
        if one is not None and one.failures > one.requests:
            told = f"{where}: {one.failures:g} failures of {one.requests:g} requests"
            raise ImpossibleCounts(told, "count failures among the same requests, since the look before")
    if not any(one is not None and one.requests > 0 for _, one in counts):
        raise ImpossibleCounts(f"{name}: not a single request was counted", "ask once both versions get requests")

    def row(values: list[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([values], dtype=np.float64)

    return Arm(
        row([math.nan if one is None else one.requests for _, one in counts]),
        row([math.nan if one is None else one.failures for _, one in counts]),
    )


def shown(verdict: Verdict) -> VerdictOut:
    """A verdict for programs."""
    match verdict:
        case CannotKnow(reason, detail, needed):
            return VerdictOut(verdict="cannot-know", text=detail, progress=0.0, reason=reason.value, needed=needed)
        case Promote(measured):
            return answer("promote", measured, 1.0, "not worse by anything that matters")
        case Hold(measured, progress):
            return answer("hold", measured, progress, f"undecided, {100 * progress:.0f} %")
        case RollBack(measured):
            return answer("roll-back", measured, 1.0, f"e-value {times(measured.e_value)}")


def answer(kind: Literal["promote", "hold", "roll-back"], measured: Measured, progress: float, why: str) -> VerdictOut:
    """The numbers, and one sentence."""
    new, old = measured.canary, measured.baseline
    return VerdictOut(
        verdict=kind,
        text=f"the new version fails {percent(new.share)} of its requests, the old one {percent(old.share)}: {why}",
        progress=progress,
        canary=counted(new),
        baseline=counted(old),
        e_value=measured.e_value,
        e_value_needed=math.exp(measured.log_needed),
        dispersion=measured.dispersion,
    )


def counted(one: Counted) -> CountedOut:
    """Counts with their share."""
    return CountedOut(
        requests=one.requests, failures=one.failures, share=one.share if math.isfinite(one.share) else None
    )
