"""What a pod template does: the version by its image, and the configurations by its environment.

Promises that behaviour is data of the scenario and nothing else: a template that no version names behaves as usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.lab.parts import Effect, Service
from controller.lab.values import cores, size

_USUAL = Effect()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Everything the physics needs to know of a container, in plain numbers."""

    capacity: float
    cpu_each: float
    cpu_request: float
    cpu_limit: float
    errors: float
    latency: float
    slow_share: float
    memory_base: float
    memory_request: float
    memory_limit: float
    leak: float
    crash_after: float | None
    pullable: bool
    ready: bool
    start: float


def behaviour_of(service: Service, template: dict[str, Any]) -> Behaviour:
    """The behaviour of a template's first container."""
    container = template["spec"]["containers"][0]
    image = str(container.get("image") or "")
    env = {str(one["name"]): str(one.get("value", "")) for one in container.get("env") or ()}
    effects: list[Effect] = []
    effects += [one for name, one in service.versions.items() if service.image(name) == image][:1]
    effects += [one for one in service.configurations if one.env.items() <= env.items()]
    effects = effects or [_USUAL]
    resources = container.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    capacity = service.capacity
    healthy = 1.0 - service.errors
    each = service.cpu.request / service.capacity if service.cpu.per_request is None else service.cpu.per_request
    latency, start, slow, memory, leak = 1.0, 1.0, service.latency.slow_share, float(service.memory.base), 0.0
    crash: float | None = None
    for effect in effects:
        healthy *= 1.0 - (effect.errors or 0.0)
        latency, start, capacity, each = (
            latency * effect.latency,
            start * effect.start,
            capacity * effect.capacity,
            each * effect.cpu,
        )
        slow = slow if effect.slow_share is None else effect.slow_share
        memory = memory if effect.memory is None else float(effect.memory)
        leak += effect.leak_per_minute / 60.0
        crash = crash if effect.crash_after is None else effect.crash_after
    return Behaviour(
        capacity=capacity,
        cpu_each=each,
        cpu_request=cores(requests.get("cpu", service.cpu.request)),
        cpu_limit=cores(limits["cpu"]) if limits.get("cpu") is not None else float("inf"),
        errors=1.0 - healthy,
        latency=latency,
        slow_share=slow,
        memory_base=memory,
        memory_request=float(size(requests.get("memory", service.memory.request))),
        memory_limit=float(size(limits["memory"])) if limits.get("memory") is not None else float("inf"),
        leak=leak,
        crash_after=crash,
        pullable=all(effect.pullable for effect in effects),
        ready=all(effect.ready for effect in effects),
        start=start,
    )
