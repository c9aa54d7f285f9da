"""The stories of the demo: which service each is about, what its people allow, and how it should end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controller.core.events import Event
from controller.demo.reading import Ending, Kind, Streams, ending, kinds
from controller.lab.scenario import Scenario
from detectors.series import Workload

BEGIN = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
"""A Friday morning, so that the peak is still to come."""

LASTS = timedelta(hours=2)
PEAK = timedelta(hours=1, minutes=30)
"""When a floor has to stand."""

SCENARIO = Path(__file__).with_name("demo.yaml")


@dataclass(frozen=True, slots=True)
class Story:
    """One service's story. `policy` is the spec of its ServicePolicy besides target and metrics."""

    name: str
    kind: Kind
    workload: Workload
    tells: str
    route: str
    outcome: str
    verified: bool
    policy: Mapping[str, Any] = field(default_factory=dict)

    def ended(self, streams: Streams) -> Ending:
        """How it ended, by the log."""
        return ending(self.kind, self.workload, streams, BEGIN + PEAK)

    def as_it_should(self, found: Ending) -> bool:
        """Whether that is how it should end."""
        return (found.route, found.outcome, found.verified) == (self.route, self.outcome, self.verified)

    def that_ended(self, found: Ending) -> Story:
        """The same story, of which nothing else was expected."""
        return replace(self, route=found.route, outcome=found.outcome, verified=found.verified)

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
    Story(
        "a morning peak, met by a floor",
        Kind.SCALING,
        _of("shop", "storefront"),
        "pods take a minute and a half to start, and the autoscaler sees only load that is there already",
        "auto",
        "effective",
        True,
        {"scaling": {"mode": "Floor"}},
    ),
    Story(
        "a bad rollout, rolled back",
        Kind.CANARY,
        _of("shop", "checkout"),
        "v42 fails eight of a hundred requests",
        "auto",
        "effective",
        True,
        {"canary": {"mode": "Rollback", "falseRollback": "1%"}},
    ),
    Story(
        "pods out of memory, given more",
        Kind.INCIDENT,
        _of("accounts", "profiles"),
        "containers are killed for memory again and again",
        "ask",
        "effective",
        True,
        {"remediation": {"mode": "Approve"}},
    ),
    Story(
        "a burst, left alone",
        Kind.CONTROL,
        _of("media", "search"),
        "twice the load for eight minutes, and nothing wrong",
        "none",
        "none",
        True,
        {"remediation": {"mode": "Auto", "automaticAbove": 90}, "canary": {"mode": "Rollback", "falseRollback": "1%"}},
    ),
    Story(
        "something new, handed over",
        Kind.HANDOVER,
        _of("goods", "catalog"),
        "what it depends on outside fails, and no runbook knows that",
        "hand_over",
        "none",
        False,
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
        fleet = (_of(service.namespace, service.name) for service in scenario.services)
        return cls(scenario, tuple(_told(workload).manifest() for workload in fleet))

    @property
    def namespaces(self) -> list[str]:
        """Where it takes place."""
        return sorted({service.namespace for service in self.scenario.services})

    def told(self, streams: Streams) -> tuple[tuple[Story, Ending], ...]:
        """Every story with its end."""
        if self.stories:
            return tuple((story, story.ended(streams)) for story in self.stories)
        fleet = [_of(service.namespace, service.name) for service in self.scenario.services]
        found = (_told(workload, kind) for workload in fleet for kind in kinds(workload, streams))
        return tuple((story.that_ended(end), end) for story in found for end in (story.ended(streams),))


CONSENTS: Mapping[str, Any] = {
    "scaling": {"mode": "Floor"},
    "canary": {"mode": "Rollback", "falseRollback": "1%"},
    "remediation": {"mode": "Approve"},
}
"""What the people of a fleet allow about whom nothing else is known."""


def _told(workload: Workload, kind: Kind = Kind.CONTROL) -> Story:
    return Story(kind.value, kind, workload, "", "none", "none", False, CONSENTS)


def story_of(event_stream: str, first: Event | None) -> str:
    """The service that a stream is about, for people; empty for the program's own."""
    kind, _, key = event_stream.partition(":")
    if kind in {"floor", "rollout"}:
        return key.rpartition("/")[2]
    workload = getattr(first, "workload", None)
    return workload.name if isinstance(workload, Workload) else ""
