"""From the JSON of the Prometheus HTTP API to raw values. Anything that is not that JSON raises ValueError: it is no
answer.

Runs in the adapter's threads; a large answer costs hundreds of milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from controller.core.reading import RawPath, RawSample, Said

EARLIEST, LATEST = 0.0, 253_402_300_799.0
"""1970 to 9999: what a datetime can hold."""


class WrongType(ValueError):
    """The query gives a kind of value that cannot be asked for here; `kind` is the server's word for it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def said_of(body: Mapping[str, Any]) -> Said:
    """`warnings` and `infos`, bounded."""
    return Said(texts(body.get("warnings")), texts(body.get("infos")))


def samples_of(body: Mapping[str, Any]) -> list[RawSample]:
    """A vector, or a scalar as one sample without labels."""
    kind, result = data_of(body)
    if kind == "scalar":
        at, value = pair(result)
        return [RawSample({}, value, at)]
    if kind != "vector":
        raise WrongType(kind)
    return [sample_of(item) for item in rows(result)]


def sample_of(item: Mapping[str, Any]) -> RawSample:
    """One element of a vector."""
    if "histogram" in item:
        raise WrongType("native histogram")
    at, value = pair(item.get("value"))
    return RawSample(labels_of(item), value, at)


def paths_of(body: Mapping[str, Any]) -> list[RawPath]:
    """A matrix."""
    kind, result = data_of(body)
    if kind != "matrix":
        raise WrongType(kind)
    return [path_of(item) for item in rows(result)]


def path_of(item: Mapping[str, Any]) -> RawPath:
    """One series of a matrix."""
    if "histograms" in item:
        raise WrongType("native histogram")
    values = item.get("values")
    if not isinstance(values, list):
        raise ValueError("a series without values")  # noqa: TRY004 -- bad data, not a bad call
    try:
        table = np.array([(float(at), float(value)) for at, value in values], dtype=np.float64).reshape(-1, 2)
    except TypeError as error:
        raise ValueError("values that are no pairs of time and number") from error
    if not np.isfinite(table[:, 0]).all():
        raise ValueError("a time that is no number")
    return RawPath(labels_of(item), table[:, 0], table[:, 1])


def data_of(body: Mapping[str, Any]) -> tuple[str, Any]:
    """`resultType` and `result` of a successful answer."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or body.get("status") != "success" or not isinstance(data.get("resultType"), str):
        raise ValueError("not an answer of the Prometheus API")
    return data["resultType"], data.get("result")


def rows(result: Any) -> list[Mapping[str, Any]]:
    """The elements of a result, each an object."""
    if not isinstance(result, list) or not all(isinstance(item, dict) for item in result):
        raise ValueError("a result that is no list of series")
    return result


def labels_of(item: Mapping[str, Any]) -> Mapping[str, str]:
    """Labels as text to text."""
    labels = item.get("metric")
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise ValueError("labels that are no text")
    return labels


def pair(value: Any) -> tuple[datetime, float]:
    """A `[time, "value"]` pair."""
    if not isinstance(value, list) or len(value) != 2 or isinstance(value[0], bool):
        raise ValueError("a sample that is no pair of time and number")
    try:
        seconds, number = float(value[0]), float(value[1])
    except TypeError as error:
        raise ValueError("a sample that is no pair of time and number") from error
    if not EARLIEST <= seconds <= LATEST:
        raise ValueError("a time outside of the calendar")
    return datetime.fromtimestamp(seconds, UTC), number


def texts(value: Any, most: int = 20) -> tuple[str, ...]:
    """A bounded list of texts; other shapes count as one warning, since something was said."""
    if value is None:
        return ()
    if not isinstance(value, list):
        return ("unreadable warnings",)
    return tuple(str(item) for item in value[:most])
