"""A scenario says what is wrong with it: file, line, column, and the nearest known word."""

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import controller.lab
from controller.lab.scenario import BadScenario, Scenario
from runbooks.problem import Problem
from tests.lab.playing import go, lab, scenario, web

GOOD = """name: one
services:
  - name: web
    load: {rate: 10}
    versions: {v1: {}, v2: {crashAfter: 5s}}
faults:
  - {kind: crash-loop, service: web, to: v2, at: 5m}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(BadScenario) as raised:
        Scenario.load(text, "my.yaml")
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize("name", ["shop", "small"])
def test_what_ships_loads(name: str) -> None:
    assert Scenario.shipped(name).name == name


def test_a_good_one_loads_from_text_and_from_a_path(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)

    assert Scenario.load(GOOD) == Scenario.load(tmp_path / "one.yaml") == Scenario.load(str(tmp_path / "one.yaml"))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("rate: 10", "rat: 10", "my.yaml:4:12: there is no field rat. Did you mean rate?"),
        ("at: 5m", "at: soon", "my.yaml:7:50: 'soon' is no duration: write 500ms, 30s, 5m, 1h30m or 7d"),
        ("at: 5m", "after: 5m", "my.yaml:7:5: at is missing"),
        ("kind: crash-loop", "kind: crash-lop", "my.yaml:7:12: there is no fault crash-lop. Did you mean crash-loop?"),
        ("kind: crash-loop, ", "", "my.yaml:7:5: kind is missing"),
        ("service: web", "service: wob", "my.yaml:7:33: there is no service wob. Did you mean web?"),
        ("to: v2", "to: v3", "my.yaml:7:42: there is no version v3."),
        ("to: v2", "to: v1", "my.yaml:7:42: version v1 does not crash: give it crashAfter"),
        ("name: web", "name: Web", "my.yaml:3:11: String should match pattern"),
        ("{rate: 10}", "{}", "my.yaml:4:11: give either rate or trace"),
        ("{rate: 10}", "{trace: no.csv, peak: 5}", "my.yaml:4:19: there is no trace no.csv"),
        ("    load", "    calls: [{to: web}]\n    load", "my.yaml:3:3: calls go round in a circle: web → web"),
        ("    load", "    running: v9\n    load", "my.yaml:4:14: there is no version v9."),
        ("    load", "    memory: {limit: much}\n    load", "my.yaml:4:21: 'much' is no quantity"),
        ("    load", "    errors: 120%\n    load", "my.yaml:4:13: '120%' is no share"),
        ("name: one", "name: one\nhistory: 0s", "my.yaml:2:10: a history is 5m long at least"),
        ("name: one", "name: one\nhistory: 1m", "my.yaml:2:10: a history is 5m long at least"),
        ("name: one", "name: one\nhistory: 61d", "my.yaml:2:10: a history is 5m long at least, and 60d at most"),
        ("at: 5m", "at: 5m, for: 0s", "my.yaml:7:59: '0s' is nothing: it must last for a while"),
        ("v1: {}", "v1: {}, burst: {errors: 2}", "my.yaml:5:40: 2 is no share"),
        (
            "v1: {}",
            "v1: {}, v3: {crashAftr: 5s}",
            "my.yaml:5:29: there is no field crashAftr. Did you mean crashAfter?",
        ),
        ("name: one", "name: [one", "my.yaml:2:9: not YAML"),
        ("at: 5m", "at: 5m, at: 6m", "my.yaml:7:54: at is there twice"),
        ("name: one", "name: one\ntraces: {}", "my.yaml:2:9: traces are named where they are used"),
    ],
)
def test_a_mistake_is_told_with_its_place(before: str, after: str, said: str) -> None:
    found = problems(GOOD.replace(before, after, 1))

    assert any(one.startswith(said) for one in found), found


def test_a_list_is_not_called_empty_because_of_what_is_wrong_in_it() -> None:
    """One mistake is one line."""
    assert len(problems(GOOD.replace("rate: 10", "rate: 10, dayly: 3%"))) == 1
    assert problems("name: one\nsummary: none\nservices: []\n") == [
        "my.yaml:3:11: services is empty: name at least one"
    ]


def test_a_field_that_is_unknown_to_a_fault_gets_that_fault_s_words() -> None:
    found = problems(GOOD.replace("to: v2", "too: v2"))

    assert any("there is no field too. Did you mean to?" in one for one in found)


@pytest.mark.parametrize(("kind", "said"), [("burst", "factor: 2"), ("retry-storm", "retries: 2")])
def test_a_surge_of_nothing_is_a_finding_and_one_of_what_callers_send_is_none(kind: str, said: str) -> None:
    alone = f"""name: one
services:
  - {{name: web, load: {{rate: 10}}, calls: [{{to: cart}}]}}
  - {{name: cart, calls: [{{to: store}}]}}
  - {{name: store}}
  - {{name: idle, calls: [{{to: idler}}]}}
  - {{name: idler}}
faults:
  - {{kind: {kind}, {said}, at: 5m, service: SERVICE}}
"""
    assert Scenario.load(alone.replace("SERVICE", "store")).faults
    for name in ("idle", "idler"):
        (found,) = problems(alone.replace("SERVICE", name))
        place = f"my.yaml:9:{alone.splitlines()[8].index('SERVICE') + 1}"
        assert found == f"{place}: nothing arrives at {name}: it has no load, and none of its callers has one"


def test_no_file_no_text_and_several_documents_are_findings(tmp_path: Path) -> None:
    for source in (tmp_path / "none.yaml", str(tmp_path) + "/none.yaml"):
        with pytest.raises(BadScenario, match="cannot be read"):
            Scenario.load(source)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadScenario, match="cannot be read"):
        Scenario.load(tmp_path / "bytes.yaml")
    assert "2 documents" in problems(f"{GOOD}---\n{GOOD}")[0]
    assert problems("[]\n")
    assert problems("\n")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("time,value\n", "line 1"),
        ("timestamp,value\n2026-01-01T00:00:00Z,abc\n", "line 2"),
        ("timestamp,value\n2026-01-01T00:00:00Z,1\nyesterday,2\n", "line 3"),
        ("timestamp,value\n2026-01-01T00:05:00Z,1\n2026-01-01T00:00:00Z,2\n", "line 3: its time"),
        ("timestamp,value\n2026-01-01T00:00:00Z,-1\n", "line 2"),
        ("timestamp,value\n2026-01-01T00:00:00Z,nan\n", "line 2"),
        ("timestamp,value\n2026-01-01T00:00:00Z,1\n", "two are the least"),
        ("", "line 1"),
    ],
)
def test_an_unreadable_trace_is_told_with_its_line_and_where_it_is_used(tmp_path: Path, rows: str, said: str) -> None:
    (tmp_path / "my.csv").write_text(rows)
    (tmp_path / "one.yaml").write_text(GOOD.replace("{rate: 10}", "{trace: my.csv, peak: 5}"))

    with pytest.raises(BadScenario) as raised:
        Scenario.load(tmp_path / "one.yaml")

    text = str(raised.value.problems[0])
    assert "one.yaml:4:19: trace my.csv" in text
    assert said in text


def test_a_trace_that_is_not_gzip_is_told(tmp_path: Path) -> None:
    (tmp_path / "my.csv.gz").write_bytes(b"timestamp,value\n")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"timestamp,value\n")[:12])
    for name in ("my.csv.gz", "cut.csv.gz"):
        (tmp_path / "one.yaml").write_text(GOOD.replace("{rate: 10}", f"{{trace: {name}, peak: 5}}"))
        with pytest.raises(BadScenario, match="is not gzip"):
            Scenario.load(tmp_path / "one.yaml")


SCALARS = [
    *("0", "-1", "1e9", ".inf", ".nan", "true", "null", "''", "[]", "{}", "~", "0x10", "1:30", "9" * 25),
    *("0s", "5m", "-5s", "100000000d", "5%", "2026-01-01", "*a", "&a 1", "!!python/name:os.system", "'\\0'"),
]


@settings(max_examples=100, deadline=None)
@given(where=st.integers(0, 10_000), what=st.sampled_from(SCALARS))
def test_whatever_stands_in_a_place_it_loads_or_says_what_is_wrong(where: int, what: str) -> None:
    """Every scalar of what ships is replaced by something hostile: a finding with a place, never another exception."""
    text = "history: 6h\n" + (Path(controller.lab.__file__).parent / "scenarios/small.yaml").read_text()
    places = list(re.finditer(r"(?<=: )[\w%.]+", text))
    chosen = places[where % len(places)]
    hurt = text[: chosen.start()] + what + text[chosen.end() :]
    found: tuple[Problem, ...] = ()
    try:
        played = Scenario.load(hurt, "small.yaml")
    except BadScenario as bad:
        found = bad.problems
    else:
        go(lab(played), 0.5)

    assert all(problem.line > 0 for problem in found)


numbers = st.floats(0, 1, allow_nan=False)


@settings(max_examples=20, deadline=None)
@given(
    rate=st.sampled_from([0.0, 0.01, 30.0, 5000.0]),
    capacity=st.sampled_from([0.001, 1.0, 1e6]),
    replicas=st.integers(0, 5),
    errors=numbers,
    request=st.sampled_from([0, 0.1, 50]),
    limit=st.sampled_from(["0", "1Mi", "1Gi"]),
    median=st.sampled_from(["1ms", "1h"]),
    timeout=st.sampled_from(["0s", "1s", "1h"]),
    scaled=st.booleans(),
    history=st.sampled_from(["5m", "5m1s", "6h", "6h1s", "9h", "1d"]),
    kind=st.sampled_from(["leak", "disk-filling", "dependency-outage", "retry-storm", "burst", "nothing"]),
)
def test_what_loads_can_be_played(
    rate: float,
    capacity: float,
    replicas: int,
    errors: float,
    request: float,
    limit: str,
    median: str,
    timeout: str,
    scaled: bool,
    history: str,
    kind: str,
) -> None:
    """The corners of what a scenario may say: no number goes astray (warnings are errors), no failure of the lab."""
    scaler = {"autoscaler": {"cpu": 50, "requestsPerPod": 0.5, "max": 20}}
    service = web(
        load={"rate": rate, "noise": {"sd": 1}},
        capacity=capacity,
        replicas=replicas,
        errors=errors,
        cpu={"request": request},
        memory={"limit": limit},
        latency={"median": median},
        timeout=timeout,
        calls=[{"to": "store", "timeout": timeout}],
        **(scaler if scaled else {}),
    )
    numbers_of: dict[str, dict[str, Any]] = {
        "leak": {"perMinute": "1Gi"},
        "disk-filling": {"perMinute": "1Gi"},
        "burst": {"factor": 1e6},
    }
    about = {} if kind == "nothing" else {"service": "web"}
    fault: dict[str, Any] = {"kind": kind, "at": "30s", **about, **numbers_of.get(kind, {})}
    stage = lab(scenario(service, {"name": "store", "errors": errors}, faults=[fault], history=history))
    go(stage, 2)

    assert np.isfinite(stage.counters.now_row).all()
    assert stage.score.pod_hours >= 0
