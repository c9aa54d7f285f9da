"""The payload of an Alertmanager webhook (version 4): parsed strictly enough, bounded, and turned into alerts.

Promises that a body of any content gives alerts or `BadPayload`, nothing else, and that texts are cut to a bound.
Fields that Alertmanager adds later are ignored. See
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from controller.core.alerts import Alert
from controller.errors import Terminal

MOST_BYTES = 4_000_000
MOST_ALERTS = 2_000
LONGEST_SUMMARY = 300

Label: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=16_384)]
Labels: TypeAlias = Annotated[dict[Label, Text], Field(max_length=128)]


class BadPayload(Terminal):
    """A webhook body that is no Alertmanager payload, or larger than it may be."""


class WebhookAlert(BaseModel):
    """One alert of the payload."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["firing", "resolved"]
    labels: Labels
    annotations: Labels = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")


class Webhook(BaseModel):
    """The payload."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal["4"]
    alerts: Annotated[tuple[WebhookAlert, ...], Field(max_length=MOST_ALERTS)]
    truncated: Annotated[int, Field(ge=0, alias="truncatedAlerts")] = 0


def parse(body: bytes) -> tuple[Alert, ...]:
    """The alerts of one webhook call; raises `BadPayload` with the place of the first fault."""
    if len(body) > MOST_BYTES:
        raise BadPayload(
            f"the webhook body has {len(body)} bytes", f"set max_alerts so that it stays under {MOST_BYTES}"
        )
    try:
        payload = Webhook.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise BadPayload(f"the webhook body is not Alertmanager's version 4: {place}: {first['msg']}") from error
    return tuple(alert_of(alert) for alert in payload.alerts)


def alert_of(alert: WebhookAlert) -> Alert:
    """One alert as a value; without a name it is called `unnamed`."""
    text = alert.annotations.get("summary") or alert.annotations.get("description") or ""
    since: datetime = alert.starts_at
    return Alert(
        name=alert.labels.get("alertname") or "unnamed",
        labels=alert.labels,
        firing=alert.status == "firing",
        since=since,
        summary=text[:LONGEST_SUMMARY],
    )
