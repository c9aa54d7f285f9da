"""Behaviour follows the image: the convention that the kwok stages, the exporter and the tests share.

`registry.test/NAME:VERSION[-BEHAVIOUR]`; the behaviours stand in tests/README.md.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_IMAGE = re.compile(r"(?:.*/)?(?P<name>[^:/]+):(?P<version>[^:/-]+)(?:-(?P<behaviour>[a-z]+)(?:-(?P<size>\w+))?)?$")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class Behaviour(StrEnum):
    """What a pod of this image does."""

    HEALTHY = "healthy"
    CRASH = "crash"
    NOPULL = "nopull"
    OOM = "oom"
    UNREADY = "unready"
    ERRORS = "errors"
    SLOW = "slow"


@dataclass(frozen=True)
class Image:
    """An image reference, read by the convention; `needs` is the memory in bytes that `oom` wants."""

    name: str
    version: str
    behaviour: Behaviour
    needs: int = 0


def image(name: str, version: str, behaviour: Behaviour = Behaviour.HEALTHY, size: str = "") -> str:
    """The reference of an image that behaves so."""
    tail = "" if behaviour is Behaviour.HEALTHY else f"-{behaviour}" + (f"-{size}" if size else "")
    return f"registry.test/{name}:{version}{tail}"


def parse(reference: str) -> Image:
    """The image behind a reference; one outside the convention is healthy, as it is for the stages."""
    found = _IMAGE.match(reference)
    if found is None:
        return Image(reference, "", Behaviour.HEALTHY)
    word, size = found["behaviour"], found["size"]
    if word not in set(Behaviour) or (word == Behaviour.OOM) != bool(size):
        return Image(found["name"], found["version"], Behaviour.HEALTHY)
    return Image(found["name"], found["version"], Behaviour(word), quantity(size) if size else 0)


def quantity(text: str) -> int:
    """Bytes of a Kubernetes memory quantity such as `256Mi`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text)
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a memory quantity; write it like 256Mi")
    return int(float(found[1]) * _UNITS[found[2]])
