"""What goes wrong, as data: each fault is a kind, a place, a time and its numbers.

Promises that a fault only ever changes the physics (what pods need, what a version does, whether a node lives, who
retries) or writes what a person or a pipeline would write. Nothing here heals by itself but at the end of `for`.
Controls belong to the list: things that look alarming and want no hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from controller.lab.values import Bytes, Cores, Lasting, Seconds, Share

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=253)]
Positive: TypeAlias = Annotated[float, Field(gt=0, le=1e6)]


class Strict(BaseModel):
    """An unknown field is an error, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Timed(Strict):
    """`at` counts from the lab's beginning; without `for` it lasts."""

    name: Text | None = None
    at: Seconds
    lasting: Lasting | None = Field(default=None, alias="for")

    @property
    def until(self) -> float:
        """When it ends by itself, in seconds from the beginning."""
        return float("inf") if self.lasting is None else self.at + self.lasting


class Leak(Timed):
    """Each container of the service keeps so much more memory per minute, up to a bound; a restart begins anew.

    Containers do so at different paces, each up to `spread` faster or slower.
    """

    kind: Literal["leak"]
    service: Text
    per_minute: Bytes = Field(alias="perMinute")
    spread: Share = 0.3
    up_to: Bytes | None = Field(default=None, alias="upTo")


class CrashLoop(Timed):
    """A pipeline rolls out a version whose containers exit again and again."""

    kind: Literal["crash-loop"]
    service: Text
    to: Text
    by: Text = "helm"


class BadCanary(Timed):
    """A pipeline rolls out a version that fails or is slow for more requests."""

    kind: Literal["bad-canary"]
    service: Text
    to: Text
    by: Text = "helm"


class Rollout(Timed):
    """A pipeline rolls out a version; with a good one it is a control."""

    kind: Literal["rollout"]
    service: Text
    to: Text
    by: Text = "helm"


class WrongConfiguration(Timed):
    """A person sets environment variables in the template; `configurations` of the service say what they do."""

    kind: Literal["wrong-configuration"]
    service: Text
    env: dict[Text, str] = Field(min_length=1)
    by: Text = "kubectl"


class NodeLoss(Timed):
    """A node dies. It is noticed after 40 s, and its pods are replaced after `evictAfter`."""

    kind: Literal["node-loss"]
    node: Text
    evict_after: Seconds = Field(default=300.0, alias="evictAfter")


class DependencyOutage(Timed):
    """What the service itself depends on outside the fleet fails for a share of its requests, or answers late."""

    kind: Literal["dependency-outage"]
    service: Text
    failing: Share = 1.0
    delay: Seconds = 0.0


class NoisyNeighbour(Timed):
    """Somebody on the node uses so many cores."""

    kind: Literal["noisy-neighbour"]
    node: Text
    cores: Cores


class DiskFilling(Timed):
    """Each container of the service writes so much per minute; full, it fails `failing` of its requests."""

    kind: Literal["disk-filling"]
    service: Text
    per_minute: Bytes = Field(alias="perMinute")
    failing: Share = 0.6


class RetryStorm(Timed):
    """Callers wait for `patience` and repeat each failed request; a surge of what arrives sets it off."""

    kind: Literal["retry-storm"]
    service: Text
    retries: Annotated[int, Field(ge=1, le=10)] = 3
    patience: Seconds = 2.0
    surge: Positive = 2.0
    surge_for: Seconds = Field(default=120.0, alias="surgeFor")


class PrometheusOutage(Timed):
    """Prometheus does not answer, and scrapes nothing unless it is `scraping`: a gap stays when it is back."""

    kind: Literal["prometheus-outage"]
    reason: Text = "connection refused"
    scraping: bool = False


class Burst(Timed):
    """A control: so many times as much arrives, from outside and from callers, and goes down by itself."""

    kind: Literal["burst"]
    service: Text
    factor: Positive


class Nothing(Timed):
    """A control: nothing happens."""

    kind: Literal["nothing"]


Fault: TypeAlias = (
    Leak
    | CrashLoop
    | BadCanary
    | Rollout
    | WrongConfiguration
    | NodeLoss
    | DependencyOutage
    | NoisyNeighbour
    | DiskFilling
    | RetryStorm
    | PrometheusOutage
    | Burst
    | Nothing
)
AnyFault: TypeAlias = Annotated[Fault, Field(discriminator="kind")]
RolledOut: TypeAlias = CrashLoop | BadCanary | Rollout
Surging: TypeAlias = RetryStorm | Burst
KINDS: Mapping[str, type[Timed]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(Fault)
}
"""Every fault by the word for it."""
