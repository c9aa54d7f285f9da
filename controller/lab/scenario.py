"""A scenario: nodes, services, their load and calls, what each version does, and the faults, in one YAML file.

Promises that a mistake is told with file, line, column and the nearest known word, and that a scenario that loads can
be played: every name it mentions is there, calls go round in no circle, versions that a fault rolls out exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from controller.errors import TrimtabError
from controller.lab.faults import AnyFault, Positive, RolledOut, Strict, Text
from controller.lab.trace import Trace, UnreadableTrace, read_trace
from controller.lab.values import Bytes, Cores, Seconds, Share
from runbooks.problem import Finding, Problem, suggestion
from runbooks.problem import Path as Place
from runbooks.source import Document, documents

DAY = 86400.0
Count = Annotated[int, Field(ge=0, le=10_000)]
Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,40}[a-z0-9])?$")]


class BadScenario(TrimtabError):
    """A scenario that cannot be played; `problems` say where and why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)), "Correct these places of the scenario.")
        self.problems = problems


class Noise(Strict):
    """AR(1) on the logarithm of the load, one step every 15 s; mean-preserving."""

    sd: Annotated[float, Field(ge=0, le=2)] = 0.1
    phi: Annotated[float, Field(ge=0, lt=1)] = 0.9


class Bursts(Strict):
    """Bursts at random times: so many a day, each so many times the load for so long."""

    per_day: Annotated[float, Field(ge=0, le=1000)] = Field(alias="perDay")
    factor: Positive = 2.0
    lasting: Seconds = Field(default=300.0, alias="for")


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
    begins: datetime | None = None
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

    median: Seconds = 0.04
    sigma: Annotated[float, Field(gt=0, le=3)] = 0.5
    slow_share: Share = Field(default=0.03, alias="slowShare")
    slow_median: Seconds = Field(default=0.25, alias="slowMedian")
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

    median: Seconds = 20.0
    sigma: Annotated[float, Field(ge=0, le=2)] = 0.25
    slow_share: Share = Field(default=0.0, alias="slowShare")
    slow_median: Seconds = Field(default=60.0, alias="slowMedian")


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
    min_available: int | Text | None = Field(default=None, alias="minAvailable")
    max_surge: int | Text = Field(default="25%", alias="maxSurge")
    max_unavailable: int | Text = Field(default="25%", alias="maxUnavailable")
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


class Scenario(Strict):
    """Everything that a lab plays. Traces are read when it is loaded."""

    name: Text
    summary: str = ""
    nodes: tuple[Node, ...] = (Node(),)
    services: tuple[Service, ...] = Field(min_length=1)
    faults: tuple[AnyFault, ...] = ()
    history: Seconds = 14 * DAY
    traces: Mapping[str, Trace] = Field(default_factory=dict, exclude=True)

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)

    @field_validator("traces", mode="before")
    @classmethod
    def _not_written(cls, given: object) -> object:
        raise ValueError("traces are named where they are used, in load.trace of a service")

    @classmethod
    def load(cls, source: str | Path, file: str = "scenario") -> Scenario:
        """From a path or from YAML text; raises `BadScenario`. Traces lie beside the file, or are shipped ones."""
        folder: Path | None = None
        if isinstance(source, Path) or ("\n" not in source and source.endswith((".yaml", ".yml"))):
            path = Path(source)
            file, folder = str(path), path.parent
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise BadScenario((Problem(file, 0, 0, f"cannot be read: {error}"),)) from error
        else:
            text = source
        return _loaded(text, file, folder)

    @classmethod
    def shipped(cls, name: str) -> Scenario:
        """One that comes along: `shop`, `small`."""
        place = files("controller.lab") / "scenarios" / f"{name}.yaml"
        return cls.load(place.read_text(encoding="utf-8"), f"{name}.yaml")

    @property
    def node_names(self) -> tuple[str, ...]:
        """Every node."""
        return tuple(f"{node.name}-{index}" for node in self.nodes for index in range(node.count))

    def service(self, name: str) -> Service:
        """One service by name; KeyError when there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)


def _loaded(text: str, file: str, folder: Path | None) -> Scenario:
    found = list(documents(text, file))
    problems = [one for one in found if isinstance(one, Problem)]
    parsed = [one for one in found if isinstance(one, Document)]
    if not problems and len(parsed) != 1:
        problems = [Problem(file, 1, 1, f"holds {len(parsed)} documents where one scenario is expected")]
    if problems:
        raise BadScenario(tuple(problems))
    document = parsed[0]
    findings = list(document.findings)
    scenario: Scenario | None = None
    try:
        scenario = Scenario.model_validate(document.data)
    except ValidationError as error:
        findings += (_finding(one) for one in error.errors(include_url=False))
    if scenario is not None:
        traces, unread = _traces(scenario, folder)
        findings += [*_checked(scenario), *unread]
        scenario = scenario.model_copy(update={"traces": traces})
    if findings or scenario is None:
        raise BadScenario(tuple(sorted({document.problem(one) for one in findings})))
    return scenario


_KINDS = frozenset(
    {"leak", "crash-loop", "bad-canary", "rollout", "wrong-configuration", "node-loss", "dependency-outage"}
    | {"noisy-neighbour", "disk-filling", "retry-storm", "prometheus-outage", "burst", "nothing"}
)


def _finding(error: Any) -> Finding:
    """A finding of pydantic in our words. The discriminator's own step is no place in the text."""
    place: Place = tuple(part for part in error["loc"] if part not in _KINDS)
    match error["type"]:
        case "extra_forbidden":
            known = _fields_at(place[:-1], error)
            return Finding(place, f"there is no field {place[-1]}.{suggestion(str(place[-1]), known)}", on_key=True)
        case "missing":
            return Finding(place[:-1], f"{place[-1]} is missing")
        case "union_tag_invalid":
            tag = str(error["ctx"]["tag"])
            return Finding((*place, "kind"), f"there is no fault {tag}.{suggestion(tag, sorted(_KINDS), shown=20)}")
        case "union_tag_not_found":
            return Finding(place, "kind is missing")
        case _:
            return Finding(place, str(error["msg"]).removeprefix("Value error, "))


def _fields_at(place: Place, error: Any) -> tuple[str, ...]:
    """The names that the model at this place knows."""
    kind = next((part for part in error["loc"] if part in _KINDS), None)
    model: type[Strict] | None = Scenario
    for part in place:
        model = None if model is None else _NESTED.get((model, part), model if isinstance(part, int) else None)
    if kind is not None:
        model = next((one for one in _FAULTS if one.model_fields["kind"].annotation.__args__[0] == kind), None)  # type: ignore[union-attr]  # every fault's kind is a Literal
    if model is None:
        return ()
    hidden = {"traces", "kind"} if model is Scenario else set()
    return tuple(field.alias or name for name, field in model.model_fields.items() if name not in hidden)


_NESTED: Mapping[tuple[type[Strict], str | int], type[Strict]] = {
    (Scenario, "services"): Service,
    (Scenario, "nodes"): Node,
    (Service, "load"): Load,
    (Service, "calls"): Call,
    (Service, "cpu"): Cpu,
    (Service, "memory"): Memory,
    (Service, "latency"): Latency,
    (Service, "start"): Start,
    (Service, "autoscaler"): Autoscaler,
    (Service, "objectives"): Objectives,
    (Service, "configurations"): Configuration,
    (Load, "noise"): Noise,
    (Load, "bursts"): Bursts,
}
_FAULTS: tuple[type[Strict], ...] = tuple(AnyFault.__origin__.__args__)  # type: ignore[attr-defined]  # Annotated[union, …]


def _traces(scenario: Scenario, folder: Path | None) -> tuple[dict[str, Trace], list[Finding]]:
    traces: dict[str, Trace] = {}
    findings = []
    for index, service in enumerate(scenario.services):
        name = service.load.trace if service.load is not None else None
        if name is None or name in traces:
            continue
        try:
            traces[name] = read_trace(name, folder)
        except UnreadableTrace as error:
            findings.append(Finding(("services", index, "load", "trace"), str(error)))
    return traces, findings


def _checked(scenario: Scenario) -> Iterator[Finding]:
    names = [service.name for service in scenario.services]
    for index, service in enumerate(scenario.services):
        at = ("services", index)
        if service.name in names[:index]:
            yield Finding((*at, "name"), f"there are two services {service.name}")
        if service.running not in service.versions:
            known = suggestion(service.running, sorted(service.versions))
            yield Finding((*at, "running"), f"there is no version {service.running}.{known}")
        for place, call in enumerate(service.calls):
            if call.to not in names:
                yield Finding(
                    (*at, "calls", place, "to"), f"there is no service {call.to}.{suggestion(call.to, names)}"
                )
    circle = _circle(scenario)
    if circle:
        yield Finding(("services",), f"calls go round in a circle: {' → '.join(circle)}")
    for index, fault in enumerate(scenario.faults):
        yield from _checked_fault(scenario, ("faults", index), fault)


def _checked_fault(scenario: Scenario, at: tuple[str, int], fault: AnyFault) -> Iterator[Finding]:
    names = [service.name for service in scenario.services]
    named = getattr(fault, "service", None)
    if named is not None and named not in names:
        yield Finding((*at, "service"), f"there is no service {named}.{suggestion(named, names)}")
        return
    node = getattr(fault, "node", None)
    if node is not None and node not in scenario.node_names:
        yield Finding((*at, "node"), f"there is no node {node}.{suggestion(node, scenario.node_names)}")
    if isinstance(fault, RolledOut):
        versions = scenario.service(fault.service).versions
        if fault.to not in versions:
            yield Finding((*at, "to"), f"there is no version {fault.to}.{suggestion(fault.to, sorted(versions))}")
        elif fault.kind == "crash-loop" and versions[fault.to].crash_after is None:
            yield Finding((*at, "to"), f"version {fault.to} does not crash: give it crashAfter")


def _circle(scenario: Scenario) -> list[str]:
    calls = {service.name: [call.to for call in service.calls] for service in scenario.services}
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for following in calls.get(name, ()):
            found = walk(following, [*path, name])
            if found:
                return found
        done.add(name)
        return []

    return next((found for name in calls if (found := walk(name, []))), [])
