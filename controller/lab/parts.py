"""The parts of a scenario: services with their load, calls, needs and versions, and nodes.

Everything is bounded, so that no file makes the lab work without an end; what is left out has a plain default.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from controller.lab.faults import Positive, Strict, Text
from controller.lab.values import Bytes, Cores, CountOrPercent, Lasting, Seconds, Share

DAY = 86400.0
Count = Annotated[int, Field(ge=0, le=10_000)]
Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,40}[a-z0-9])?$")]


class Noise(Strict):
    """AR(1) on the logarithm of the load, one step every 15 s; mean-preserving."""

    sd: Annotated[float, Field(ge=0, le=2)] = 0.1
    phi: Annotated[float, Field(ge=0, lt=1)] = 0.9


class Bursts(Strict):
    """Bursts at random times: so many a day, each so many times the load for so long."""

    per_day: Annotated[float, Field(ge=0, le=1000)] = Field(alias="perDay")
    factor: Positive = 2.0
    lasting: Lasting = Field(default=300.0, alias="for")


class Load(Strict):
    """Requests per second offered from outside the fleet.

    Either `rate` shaped by `daily` and `weekly` (relative swings; the day peaks at `peakAt` UTC, weekends are lower),
    or a `trace` whose 99.9th percentile is scaled to `peak`. `begins` is the place of the trace at the lab's beginning;
    without it weekday and time of day are kept.
    """

    rate: Annotated[float, Field(ge=0, le=1e6)] | None = None
    daily: Share = 0.0
    weekly: Share = 0.0
    peak_at: Seconds = Field(default=14 * 3600.0, alias="peakAt")
    trace: Text | None = None
    peak: Positive | None = None
    begins: AwareDatetime | None = None
    smooth: Seconds = 0.0
    noise: Noise = Noise()
    bursts: Bursts | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.rate is None) == (self.trace is None):
            raise ValueError("give either rate or trace")
        if self.trace is not None and self.peak is None:
            raise ValueError("a trace wants a peak, in requests per second")
        return self


class Call(Strict):
    """Each request of the caller makes so many requests to another service, one after another.

    The caller waits for `timeout` at most; without the answer to an `optional` call it goes on.
    """

    to: Name
    per: Annotated[float, Field(gt=0, le=100)] = 1.0
    optional: bool = False
    timeout: Seconds = 10.0


class Latency(Strict):
    """What a request takes without waiting: a lognormal, and a slower one for a share."""

    median: Lasting = 0.04
    sigma: Annotated[float, Field(gt=0, le=3)] = 0.5
    slow_share: Share = Field(default=0.03, alias="slowShare")
    slow_median: Lasting = Field(default=0.25, alias="slowMedian")
    slow_sigma: Annotated[float, Field(gt=0, le=3)] = Field(default=0.5, alias="slowSigma")


class Cpu(Strict):
    """Cores: what a container asks for and may use, uses when idle, and while it starts.

    A request costs `perRequest` seconds of a core; without it, a pod at its capacity uses what it asks for.
    """

    request: Cores = 0.5
    limit: Cores | None = None
    idle: Cores = 0.02
    starting: Cores = 0.1
    per_request: Seconds | None = Field(default=None, alias="perRequest")


class Memory(Strict):
    """What a container needs (`base`, and for each request that waits), asks for, and its limit."""

    base: Bytes = 120 * 1024**2
    per_waiting: Bytes = Field(default=16 * 1024, alias="perWaiting")
    request: Bytes = 128 * 1024**2
    limit: Bytes = 256 * 1024**2


class Start(Strict):
    """From being bound to a node until ready: a lognormal, and a slower one for a share."""

    median: Lasting = 20.0
    sigma: Annotated[float, Field(ge=0, le=2)] = 0.25
    slow_share: Share = Field(default=0.0, alias="slowShare")
    slow_median: Lasting = Field(default=60.0, alias="slowMedian")


class Effect(Strict):
    """What a version or a configuration does differently; what is left out is as usual."""

    errors: Share | None = None
    latency: Positive = 1.0
    slow_share: Share | None = Field(default=None, alias="slowShare")
    cpu: Positive = 1.0
    capacity: Positive = 1.0
    memory: Bytes | None = None
    leak_per_minute: Bytes = Field(default=0, alias="leakPerMinute")
    crash_after: Seconds | None = Field(default=None, alias="crashAfter")
    pullable: bool = True
    ready: bool = True
    start: Positive = 1.0


class Version(Effect):
    """A version of the service, known by its image and environment."""

    image: Text | None = None
    env: dict[Text, str] = Field(default_factory=dict)


class Configuration(Effect):
    """What the service does while its environment has these values."""

    env: dict[Text, str] = Field(min_length=1)


class Autoscaler(Strict):
    """An HPA by CPU utilisation (percent) or by requests per pod."""

    least: Annotated[int, Field(ge=1, le=1000)] = Field(default=2, alias="min")
    most: Annotated[int, Field(ge=1, le=1000)] = Field(default=10, alias="max")
    cpu: Annotated[int, Field(ge=1, le=1000)] | None = None
    requests_per_pod: Positive | None = Field(default=None, alias="requestsPerPod")
    behavior: bool = True
    by: Text = "helm"

    @model_validator(mode="after")
    def _one_metric(self) -> Self:
        if self.cpu is None and self.requests_per_pod is None:
            raise ValueError("give cpu (percent), requestsPerPod or both")
        if self.least > self.most:
            raise ValueError("min lies above max")
        return self


class Alert(Strict):
    """An alerting rule: more than `errors` of a service's requests failed over `window`, and did so all the time `for`.

    Without `service` it is about each of them.
    """

    name: Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{0,62}$")]
    service: Name | None = None
    errors: Share
    window: Annotated[Lasting, Field(ge=60, le=DAY)] = 120.0
    lasting: Annotated[Lasting, Field(le=DAY)] = Field(default=300.0, alias="for")
    severity: Text = "critical"


class Objectives(Strict):
    """What counts as a lost minute: more failed than 1 − availability, or a wait above `wait`."""

    availability: Share = 0.99
    wait: Seconds = 1.0


class Service(Strict):
    """A Deployment that answers requests."""

    name: Name
    namespace: Name = "shop"
    replicas: Count = 3
    load: Load | None = None
    calls: tuple[Call, ...] = ()
    capacity: Positive = 50.0
    concurrency: Positive = 64.0
    cpu: Cpu = Cpu()
    memory: Memory = Memory()
    disk: Bytes = 1024**3
    latency: Latency = Latency()
    errors: Share = 0.0005
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    timeout: Seconds = 10.0
    start: Start = Start()
    versions: dict[Name, Version] = Field(default_factory=lambda: {"v1": Version()}, min_length=1)
    running: Name = "v1"
    configurations: tuple[Configuration, ...] = ()
    autoscaler: Autoscaler | None = None
    min_available: CountOrPercent | None = Field(default=None, alias="minAvailable")
    max_surge: CountOrPercent = Field(default="25%", alias="maxSurge")
    max_unavailable: CountOrPercent = Field(default="25%", alias="maxUnavailable")
    progress_deadline: Annotated[int, Field(ge=1)] = Field(default=600, alias="progressDeadlineSeconds")
    labels: dict[Text, str] = Field(default_factory=dict)
    annotations: dict[Text, str] = Field(default_factory=dict)
    by: Text = "helm"
    objectives: Objectives = Objectives()

    def image(self, version: str) -> str:
        """The image of a version by name."""
        return self.versions[version].image or f"registry.test/{self.name}:{version}"


class Node(Strict):
    """So many nodes of one size; `node-0`, `node-1` … after `name`."""

    count: Annotated[int, Field(ge=1, le=5000)] = 3
    name: Name = "node"
    cpu: Cores = 8.0
    memory: Bytes = 32 * 1024**3
