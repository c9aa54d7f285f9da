"""A scenario: nodes, services, their load and calls, what each version does, faults and alerts, in one YAML file.

Promises that a mistake is told with file, line, column and the nearest known word, and that a scenario that loads can
be played: every name it mentions is there, calls go round in no circle, versions that a fault rolls out exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import ConfigDict, Field, ValidationError, field_validator

from controller.errors import TrimtabError
from controller.lab.faults import KINDS, AnyFault, RolledOut, Strict, Surging, Text
from controller.lab.parts import DAY, Alert, Node, Service
from controller.lab.trace import Trace, UnreadableTrace, read_trace
from controller.lab.values import Seconds
from runbooks.problem import Finding, Problem, suggestion
from runbooks.problem import Path as Place
from runbooks.source import Document, documents

SHORTEST_HISTORY, LONGEST_HISTORY = 300.0, 60 * DAY
"""An autoscaler begins by what it was five minutes ago."""


class BadScenario(TrimtabError):
    """A scenario that cannot be played; `problems` say where and why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)), "Correct these places of the scenario.")
        self.problems = problems


class Scenario(Strict):
    """Everything that a lab plays. Traces are read when it is loaded."""

    name: Text
    summary: str = ""
    nodes: tuple[Node, ...] = (Node(),)
    services: tuple[Service, ...] = Field(min_length=1)
    faults: tuple[AnyFault, ...] = ()
    alerts: Annotated[tuple[Alert, ...], Field(max_length=50)] = ()
    history: Seconds = 14 * DAY
    traces: Mapping[str, Trace] = Field(default_factory=dict, exclude=True)

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)

    @field_validator("history")
    @classmethod
    def _long_enough(cls, seconds: float) -> float:
        if not SHORTEST_HISTORY <= seconds <= LONGEST_HISTORY:
            raise ValueError("a history is 5m long at least, and 60d at most")
        return seconds

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
        findings += (_finding(one) for one in _told(error))
    if scenario is not None:
        traces, unread = _traces(scenario, folder)
        findings += [*_checked(scenario), *unread]
        scenario = scenario.model_copy(update={"traces": traces})
    if findings or scenario is None:
        raise BadScenario(tuple(sorted({document.problem(one) for one in findings})))
    return scenario


def _told(error: ValidationError) -> list[Any]:
    """What is wrong, without lists that count as empty only because what stands in them is wrong."""
    errors: list[Any] = list(error.errors(include_url=False))
    places = [tuple(one["loc"]) for one in errors]
    return [
        one
        for one, place in zip(errors, places, strict=True)
        if one["type"] != "too_short" or not any(other[: len(place)] == place != other for other in places)
    ]


def _finding(error: Any) -> Finding:
    """A finding of pydantic in our words."""
    place, model = _place(error["loc"])
    match error["type"]:
        case "extra_forbidden":
            known = _fields_of(model)
            return Finding(place, f"there is no field {place[-1]}.{suggestion(str(place[-1]), known)}", on_key=True)
        case "missing":
            return Finding(place[:-1], f"{place[-1]} is missing")
        case "union_tag_invalid":
            tag = str(error["ctx"]["tag"])
            return Finding((*place, "kind"), f"there is no fault {tag}.{suggestion(tag, sorted(KINDS), shown=20)}")
        case "union_tag_not_found":
            return Finding(place, "kind is missing")
        case "too_short":
            return Finding(place, f"{place[-1] if place else 'this'} is empty: name at least one")
        case _:
            return Finding(place, str(error["msg"]).removeprefix("Value error, "))


def _place(said: Place) -> tuple[Place, type[Strict] | None]:
    """Where that is in the text, and the model that the field belongs to. The kind of a fault is a step of pydantic's
    and none of the text's.
    """
    match said:
        case ("faults", int() as index, str() as kind, *further) if kind in KINDS:
            return ("faults", index, *further), KINDS[kind]
        case _:
            return said, _model_at(said[:-1])


def _model_at(place: Place) -> type[Strict] | None:
    """The model of what stands at a place; None where that is no model."""
    model: type[Strict] | None = Scenario
    parts = iter(place)
    for part in parts:
        fields = {} if model is None else model.model_fields
        annotation = next((field.annotation for name, field in fields.items() if part in {name, field.alias}), None)
        inner = (annotation, *get_args(annotation))
        model = next((one for one in inner if isinstance(one, type) and issubclass(one, Strict)), None)
        if get_origin(annotation) in {tuple, dict}:
            next(parts, None)
    return model


def _fields_of(model: type[Strict] | None) -> tuple[str, ...]:
    """The names that a model knows."""
    fields = {} if model is None else model.model_fields
    return tuple(field.alias or name for name, field in fields.items() if not field.exclude and name != "kind")


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
    for index, alert in enumerate(scenario.alerts):
        if alert.service is not None and alert.service not in names:
            known = suggestion(alert.service, names)
            yield Finding(("alerts", index, "service"), f"there is no service {alert.service}.{known}")
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
    if isinstance(fault, Surging) and fault.service not in _loaded_services(scenario):
        said = f"nothing arrives at {fault.service}: it has no load, and none of its callers has one"
        yield Finding((*at, "service"), said)


def _loaded_services(scenario: Scenario) -> set[str]:
    """Those at which something arrives, from outside or from callers."""
    calls = {service.name: [call.to for call in service.calls] for service in scenario.services}
    found: set[str] = set()
    waiting = [service.name for service in scenario.services if service.load is not None]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += calls.get(name, [])
    return found


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
