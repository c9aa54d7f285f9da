"""The stories of the demo: which service each is about, what its people allow, and how it should end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controller.core.events import Event
from controller.demo.reading import WRONG, Ending, Kind, Streams, ending, found
from controller.lab.scenario import Scenario
from detectors.series import Workload

BEGIN = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
"""A Friday morning, so that the peak is still to come."""

LASTS = timedelta(hours=2)
SCENARIO = Path(__file__).with_name("demo.yaml")


@dataclass(frozen=True, slots=True)
class Expected:
    """How a story should end."""

    route: str
    outcome: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Story:
    """One service's story. `expects` None: it is as it should be unless it goes wrong. `policy` is the spec of its
    ServicePolicy besides target and metrics; `incident` is the one that it tells, empty: all of the service.
    """

    name: str
    kind: Kind
    workload: Workload
    expects: Expected | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    incident: str = ""

    def ended(self, streams: Streams) -> Ending:
        """How it ended, by the log."""
        return ending(self.kind, self.workload, streams, self.incident)

    def as_it_should(self, found: Ending) -> bool:
        """Whether that is how it should end."""
        if self.expects is None:
            return found.outcome not in WRONG
        return Expected(found.route, found.outcome, found.verified) == self.expects

    def manifest(self) -> dict[str, Any]:
        """Its ServicePolicy."""
        spec = {"target": {"kind": "Deployment", "name": self.workload.name}, "metrics": {"preset": "istio"}}
        metadata = {
            "name": self.workload.name,
            "namespace": self.workload.namespace,
            "creationTimestamp": BEGIN.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return {"metadata": metadata, "spec": {**spec, **self.policy}}


def _of(namespace: str, name: str) -> Workload:
    return Workload(namespace, "Deployment", name)


STORIES = (
    Story(  # pods take a minute and a half to start, and the autoscaler sees only load that is there already
        "a morning peak, met by a floor",
        Kind.SCALING,
        _of("shop", "storefront"),
        Expected("auto", "effective", verified=True),
        {"scaling": {"mode": "Floor"}},
    ),
    Story(  # v42 fails eight of a hundred requests
        "a bad rollout, rolled back",
        Kind.CANARY,
        _of("shop", "checkout"),
        Expected("auto", "effective", verified=True),
        {"canary": {"mode": "Rollback", "falseRollback": "1%"}},
    ),
    Story(  # containers are killed for memory again and again
        "pods out of memory, given more",
        Kind.INCIDENT,
        _of("accounts", "profiles"),
        Expected("ask", "effective", verified=True),
        {"remediation": {"mode": "Approve"}},
    ),
    Story(  # twice the load for eight minutes, and nothing wrong
        "a burst, left alone",
        Kind.CONTROL,
        _of("media", "search"),
        Expected("none", "none", verified=True),
        {"remediation": {"mode": "Auto", "automaticAbove": 90}, "canary": {"mode": "Rollback", "falseRollback": "1%"}},
    ),
    Story(  # what it depends on outside fails, and no runbook knows that
        "something new, handed over",
        Kind.HANDOVER,
        _of("goods", "catalog"),
        Expected("hand_over", "none", verified=False),
        {"remediation": {"mode": "Auto", "automaticAbove": 90}},
    ),
)


@dataclass(frozen=True, slots=True)
class Morning:
    """What is played. `stories` are those that should happen; without any, they are whatever the log tells."""

    scenario: Scenario
    policies: tuple[Mapping[str, Any], ...]
    stories: tuple[Story, ...] = ()

    @classmethod
    def shipped(cls) -> Morning:
        """The five stories."""
        return cls(Scenario.load(SCENARIO), tuple(story.manifest() for story in STORIES), STORIES)

    @classmethod
    def of(cls, file: Path) -> Morning:
        """Somebody's own fleet: everything is consented to, but what earns no trust asks. Raises BadScenario."""
        scenario = Scenario.load(file)
        policies = tuple(_found(workload, Kind.CONTROL).manifest() for workload in _fleet(scenario))
        return cls(scenario, policies)

    @property
    def namespaces(self) -> list[str]:
        """Where it takes place."""
        return sorted({service.namespace for service in self.scenario.services})

    def told(self, streams: Streams) -> tuple[tuple[Story, Ending], ...]:
        """Every story with its end."""
        if self.stories:
            return tuple((story, story.ended(streams)) for story in self.stories)
        fleet = _fleet(self.scenario)
        stories = (_found(workload, *told) for workload in fleet for told in found(workload, streams))
        return tuple((story, story.ended(streams)) for story in stories)


CONSENTS: Mapping[str, Any] = {
    "scaling": {"mode": "Floor"},
    "canary": {"mode": "Rollback", "falseRollback": "1%"},
    "remediation": {"mode": "Approve"},
}
"""What the people of a fleet allow about whom nothing else is known."""


NAMES: Mapping[Kind, str] = {
    Kind.SCALING: "a floor",
    Kind.CANARY: "a rollout",
    Kind.INCIDENT: "an incident",
    Kind.CONTROL: "nothing to do",
    Kind.HANDOVER: "something for a person",
}
"""What a story is called that nobody wrote."""


def _found(workload: Workload, kind: Kind, incident: str = "") -> Story:
    name = f"{NAMES[kind]}, {incident}" if incident else NAMES[kind]
    return Story(name, kind, workload, policy=CONSENTS, incident=incident)


def _fleet(scenario: Scenario) -> tuple[Workload, ...]:
    return tuple(_of(service.namespace, service.name) for service in scenario.services)


def story_of(event_stream: str, first: Event | None) -> str:
    """The service that a stream is about, for people; empty for the program's own."""
    kind, _, key = event_stream.partition(":")
    if kind in {"floor", "rollout"}:
        return key.rpartition("/")[2]
    workload = getattr(first, "workload", None)
    return workload.name if isinstance(workload, Workload) else ""
