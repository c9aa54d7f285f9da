"""Bad data by the thousand: every family of SAFETY.md, seeded, as what a metrics server might say instead of the truth.

`cases(seed)` are values; `BadPrometheus` is a server that tells the truth (`Truth`) as one case makes it. Nothing of
the adapter is replaced: the bytes go over a socket. Each case is bad for sure; changes that could be true are left
out.
"""

import json
import math
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from tests.adapters.prometheus.stage import Reply, Serving

Body = dict[str, Any]
Labels = Mapping[str, str]
Rng = np.random.Generator

SCRAPE = timedelta(seconds=30)
LOOK_BACK = timedelta(minutes=5)


@dataclass(frozen=True)
class Truth:
    """What is the case: load and error share of each series; `burning` lifts the share during the last ten minutes."""

    labels: tuple[Labels, ...]
    now: float
    burning: bool = False
    load: float = 200.0
    share: float = 0.002

    def failures(self, at: float, number: int) -> float:
        wobble = 1 + 0.3 * math.sin(at * 12.9898 + number)
        share = 0.2 if self.burning and at > self.now - 600 else self.share * wobble
        return self.load * share


@dataclass(frozen=True)
class Case:
    """One way to be wrong. `spoil` changes a reply to one question (`pulse`, `alerts`, `failures`, `load`)."""

    family: str
    text: str
    spoil: Callable[[str, Reply], Reply] = field(compare=False)

    def __str__(self) -> str:
        return f"{self.family}: {self.text}"


def question(query: str) -> str:
    """What a query is about."""
    if '"pulse"' in query:
        return "pulse"
    if "ALERTS" in query:
        return "alerts"
    return "failures" if "5.." in query else "load"


class BadPrometheus(Serving):
    """Answers the API with the truth, spoilt by `case` (None: the plain truth)."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.case: Case | None = None
        super().__init__(self._respond)

    def _respond(self, path: str, headers: Mapping[str, str]) -> Reply:
        parts = urllib.parse.urlsplit(path)
        asked = {name: values[0] for name, values in urllib.parse.parse_qs(parts.query).items()}
        about = question(asked["query"])
        reply = Reply(200, json.dumps(self._truth(about, asked)).encode())
        return self.case.spoil(about, reply) if self.case else reply

    def _truth(self, about: str, asked: Mapping[str, str]) -> Body:
        if about == "pulse":
            full = LOOK_BACK / SCRAPE
            found = {"age": 3.0, "scrapes": full, "oldest": 2.0}
            return vector([({"pulse": name}, self.truth.now, value) for name, value in found.items()])
        if about == "alerts":
            return vector([({"trimtab": "asked"}, float(asked["time"]), 0.0)])
        if "start" not in asked:
            at = float(asked["time"])
            return vector([(labels, at, self._value(about, at, n)) for n, labels in enumerate(self.truth.labels)])
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        times = [start + step * i for i in range(int((end - start) / step + 1e-6) + 1)]
        return matrix(
            [(labels, [(at, self._value(about, at, n)) for at in times]) for n, labels in enumerate(self.truth.labels)]
        )

    def _value(self, about: str, at: float, number: int) -> float:
        return self.truth.failures(at, number) if about == "failures" else self.truth.load


def vector(samples: list[tuple[Labels, float, float]]) -> Body:
    result = [{"metric": dict(labels), "value": [at, repr(value)]} for labels, at, value in samples]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def matrix(paths: list[tuple[Labels, list[tuple[float, float]]]]) -> Body:
    result = [{"metric": dict(labels), "values": [[at, repr(v)] for at, v in values]} for labels, values in paths]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def cases(seed: int = 0, each: int = 80) -> tuple[Case, ...]:
    """Distinct cases, `each` of every family that has so many; the same for the same seed."""
    found: dict[str, Case] = {}
    for number, (family, make) in enumerate(FAMILIES.items()):
        rng = np.random.default_rng([seed, number])
        mine: dict[str, Case] = {}
        for _ in range(20 * each):
            if len(mine) == each:
                break
            text, spoil = make(rng)
            mine.setdefault(text, Case(family, text, spoil))
        found |= {str(case): case for case in mine.values()}
    return tuple(found.values())


Made = tuple[str, Callable[[str, Reply], Reply]]
ANY = ("pulse", "failures", "load")


def about(which: str, change: Callable[[Body], None]) -> Callable[[str, Reply], Reply]:
    """Change the JSON of the replies to one question."""

    def spoil(asked: str, reply: Reply) -> Reply:
        if which not in (asked, "everything"):
            return reply
        body = json.loads(reply.body)
        change(body)
        return Reply(200, json.dumps(body).encode())

    return spoil


def whole(which: str, make: Callable[[Reply], Reply]) -> Callable[[str, Reply], Reply]:
    """Replace the replies to one question."""
    return lambda asked, reply: make(reply) if which in (asked, "everything") else reply


def results(body: Body) -> list[Body]:
    found: list[Body] = body["data"]["result"]
    return found


def pairs(body: Body) -> Iterator[list[Any]]:
    for item in results(body):
        yield from item.get("values") or [item["value"]]


def pick(rng: Rng, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def refused(rng: Rng) -> Made:
    status = int(pick(rng, 301, 302, 307, 401, 403, 404, 408, 418, 422, 429, 500, 501, 502, 503, 504))
    body = pick(
        rng, b"", b"oops", b"{}", b'{"status":"success","data":{"resultType":"vector","result":[]}}', b"[" * 5_000
    )
    which = pick(rng, *ANY, "everything")
    place = {"Location": "http://127.0.0.1:9/"} if status < 400 else {}
    return f"{which} gets {status} {len(body)} bytes", whole(which, lambda reply: Reply(status, body, place))


def slow(rng: Rng) -> Made:
    which, pause = pick(rng, *ANY), int(rng.integers(300, 3_000))
    return f"{which} after {pause} ms", whole(which, lambda reply: Reply(200, reply.body, pause=pause / 1000))


def cut_off(rng: Rng) -> Made:
    which, part = pick(rng, *ANY), int(rng.integers(0, 99))
    return f"{which} ends at {part} %", whole(
        which, lambda reply: Reply(200, reply.body[: len(reply.body) * part // 100], announced=len(reply.body))
    )


def not_the_api(rng: Rng) -> Made:
    which, number = pick(rng, *ANY, "everything"), int(rng.integers(1 << 30))
    noise = np.random.default_rng(number)
    shape = pick(noise, {}, "x", 1, [1], [[]])
    text: bytes = pick(
        noise,
        noise.bytes(50),
        b"<html>log in</html>",
        json.dumps(int(noise.integers(100))).encode(),
        json.dumps({"status": "error", "errorType": "internal", "error": "x"}).encode(),
        json.dumps({"status": "success", "data": pick(noise, None, [], {}, "x", 3, {"resultType": "matrix"})}).encode(),
        json.dumps({"status": "success", "data": {"resultType": "matrix", "result": shape}}).encode(),
        b'{"status":"success","data":' * 3_000,
    )  # fmt: skip
    return f"{which} says {text[:60]!r} ({number % 97})", whole(which, lambda reply: Reply(200, text))


def garbled(rng: Rng) -> Made:
    which, spot = pick(rng, *ANY), float(rng.random())
    bad = pick(
        rng,
        None,
        [],
        [1],
        [1, 2, 3],
        ["x", "y"],
        [None, "1"],
        [1e300, "1"],
        [-5, "1"],
        ["NaN", "1"],
        "1",
        [[1], "2"],
        [1, {}],
    )

    def change(body: Body) -> None:
        item = results(body)[int(spot * len(results(body)))]
        if "values" in item:
            item["values"][int(spot * len(item["values"]))] = bad
        else:
            item["value"] = bad

    return f"{which} has {bad!r} at {spot:.3f}", about(which, change)


def odd_labels(rng: Rng) -> Made:
    which = pick(rng, "failures", "load")
    bad = pick(rng, None, [], "x", {"namespace": 1}, {"namespace": None}, {"namespace": ["shop"]}, 7)
    part = int(rng.integers(100))

    def change(body: Body) -> None:
        results(body)[part % len(results(body))]["metric"] = bad

    return f"{which} series {part} is called {bad!r}", about(which, change)


def empty(rng: Rng) -> Made:
    which, keep = pick(rng, "failures", "load", "pulse", "everything"), int(rng.integers(100))

    def change(body: Body) -> None:
        body["data"]["result"] = []
        body["infos"] = ["PromQL info: nothing"] * (keep % 20)

    return f"{which} is empty, {keep % 20} remarks", about(which, change)


def not_finite(rng: Rng) -> Made:
    which, text = pick(rng, *ANY), pick(rng, "NaN", "nan", "+Inf", "-Inf", "Inf", "1e999", "-1e999")
    share = pick(rng, 0.0, 0.01, 0.1, 1.0)
    number = int(rng.integers(1 << 30))

    def change(body: Body) -> None:
        noise = np.random.default_rng(number)
        found = list(pairs(body))
        for index, pair in enumerate(found):
            if index == number % len(found) or noise.random() < share:
                pair[1] = text

    return f"{text} for {share:.0%} of {which} ({number})", about(which, change)


def stale(rng: Rng) -> Made:
    which, seconds = pick(rng, "failures", "load", "pulse"), int(rng.integers(61, 3_000))

    def change(body: Body) -> None:
        for item in results(body):
            if item["metric"].get("pulse") == "age":
                item["value"][1] = str(seconds)
            if "values" in item:
                newest = item["values"][-1][0]
                item["values"] = [pair for pair in item["values"] if pair[0] < newest - seconds]

    return f"{which} is {seconds} s old", about(which, change)


def partial(rng: Rng) -> Made:
    which, drop, number = pick(rng, "failures", "load", "pulse"), int(rng.integers(0, 3)), int(rng.integers(1 << 30))
    text = pick(
        rng,
        "fetching series from {} failed",
        "partial response: {}",
        "remote_read: {}: context deadline",
        "PromQL warning: {}",
    )

    def change(body: Body) -> None:
        body["warnings"] = [text.format(f"store-{number}")]
        if which != "pulse":
            body["data"]["result"] = results(body)[: max(1, len(results(body)) - drop)]

    if which == "pulse":
        which = "load"
    return f"{which} with `{text}` {number}, {drop} series lost", about(which, change)


def counter_reset(rng: Rng) -> Made:
    which = pick(rng, "failures", "load")
    spot, size = float(rng.random()), float(rng.uniform(1.0, 1e9))

    def change(body: Body) -> None:
        for item in results(body):
            pair = item["values"][int(spot * len(item["values"]))]
            pair[1] = repr(-size if which == "load" else pick(np.random.default_rng(int(size)), -size, 1e4 + size))

    return f"{which} jumps by {size:.4g} at {spot:.3f}", about(which, change)


def duplicate(rng: Rng) -> Made:
    which, factor, part = pick(rng, "failures", "load"), float(pick(rng, 1.0, 1.0001, 2.0, 0.0)), int(rng.integers(2))
    replica: dict[str, str] = pick(rng, {}, *({"replica": str(number)} for number in range(9)))

    def change(body: Body) -> None:
        copied = json.loads(json.dumps(results(body)[part % len(results(body))]))
        copied["metric"].update(replica)
        for pair in copied["values"]:
            pair[1] = repr(float(pair[1]) * factor)
        results(body).append(copied)

    return f"{which} series {part} twice, × {factor}, {replica}", about(which, change)


def clock_off(rng: Rng) -> Made:
    seconds = int(pick(rng, -1, 1)) * int(rng.integers(31, 90_000))

    def change(body: Body) -> None:
        for pair in pairs(body):
            pair[0] += seconds

    return f"{seconds:+} s", about("pulse", change)


def restarted(rng: Rng) -> Made:
    filled, with_oldest = int(rng.integers(0, 9)), bool(rng.integers(2))
    forgotten = int(rng.integers(0, 100))

    def spoil(asked: str, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        if asked == "pulse":
            for item in results(body):
                if item["metric"]["pulse"] == "scrapes":
                    item["value"][1] = str(filled)
            body["data"]["result"] = [i for i in results(body) if with_oldest or i["metric"]["pulse"] != "oldest"]
        elif asked in ("failures", "load"):
            for item in results(body):
                item["values"] = item["values"][len(item["values"]) * forgotten // 100 :]
        return Reply(200, json.dumps(body).encode())

    return f"{filled} of 10 scrapes, oldest {with_oldest}, {forgotten} % forgotten", spoil


FAMILIES: dict[str, Callable[[Rng], Made]] = {
    "refused": refused,
    "slow": slow,
    "cut off": cut_off,
    "not the API": not_the_api,
    "garbled": garbled,
    "odd labels": odd_labels,
    "empty": empty,
    "not finite": not_finite,
    "stale": stale,
    "partial": partial,
    "counter reset": counter_reset,
    "duplicate": duplicate,
    "clock off": clock_off,
    "restarted": restarted,
}
