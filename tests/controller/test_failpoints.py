"""Failpoints do what they are told to a real process, and nothing unless told twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.errors import BadSettings
from controller.failpoints import KNOWN, Armed, armed_by

STORY = """
import asyncio
from controller.failpoints import around, failpoint

async def story():
    for turn in range(3):
        async with around("cluster.apply"):
            print("called", turn, flush=True)
    async with around("cluster.apply", effect=False):
        print("rehearsed", flush=True)
    for about in ("claimed", "applied", "claimed"):
        await failpoint("store.commit.before", about)

asyncio.run(story())
"""


def story(tmp_path: Path, armed: str | None, switch: str | None = "1") -> "subprocess.Popen[str]":
    wanted = {"TRIMTAB_FAILPOINT": armed, "TRIMTAB_FAILPOINTS": switch, "TRIMTAB_FAILPOINT_LOG": str(tmp_path / "log")}
    environment = {key: value for key, value in os.environ.items() if key not in wanted}
    environment |= {key: value for key, value in wanted.items() if value is not None}
    return subprocess.Popen([sys.executable, "-c", STORY], env=environment, stdout=subprocess.PIPE, text=True)


def told(tmp_path: Path, armed: str | None, switch: str | None = "1") -> tuple[int, list[str], list[str]]:
    """How it ended, what it printed, what the log says (without the process ids)."""
    process = story(tmp_path, armed, switch)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out.splitlines(), hits(tmp_path)


def hits(tmp_path: Path) -> list[str]:
    log = tmp_path / "log"
    return [line.rpartition(" ")[0] for line in log.read_text().splitlines()] if log.exists() else []


ALL = ["called 0", "called 1", "called 2", "rehearsed"]


@pytest.mark.parametrize(
    ("armed", "switch"),
    [(None, "1"), ("cluster.apply.before=kill", None), ("cluster.apply.before=kill", "0"), ("", "1")],
    ids=["unnamed", "not-switched-on", "switched-off", "empty"],
)
def test_nothing_happens_unless_switched_on_and_named(tmp_path: Path, armed: str | None, switch: str | None) -> None:
    assert told(tmp_path, armed, switch) == (0, ALL, [])


@pytest.mark.parametrize(
    ("armed", "printed", "hit"),
    [
        ("cluster.apply.before=kill", [], "cluster.apply.before kill 1"),
        ("cluster.apply.after=kill", ALL[:1], "cluster.apply.after kill 1"),
        ("cluster.apply.before=kill@3", ALL[:2], "cluster.apply.before kill 3"),
    ],
    ids=["before", "after", "third"],
)
def test_kill_ends_the_process_there_and_the_log_knows(
    tmp_path: Path, armed: str, printed: list[str], hit: str
) -> None:
    assert told(tmp_path, armed) == (-signal.SIGKILL, printed, [hit])


@pytest.mark.parametrize(
    ("armed", "hit"),
    [
        ("store.commit.before/applied=kill", "store.commit.before/applied kill 1"),
        ("store.commit.before/claimed=kill@2", "store.commit.before/claimed kill 2"),
        ("store.commit.before=kill@2", "store.commit.before/applied kill 2"),
    ],
    ids=["of-its-kind", "second-of-its-kind", "second-of-any-kind"],
)
def test_a_failpoint_can_be_narrowed_to_what_it_is_about(tmp_path: Path, armed: str, hit: str) -> None:
    assert told(tmp_path, armed) == (-signal.SIGKILL, ALL, [hit])


def test_a_kind_that_never_comes_strikes_nothing(tmp_path: Path) -> None:
    assert told(tmp_path, "store.commit.before/closed=kill") == (0, ALL, [])


def test_stop_stops_the_process_and_continue_lets_it_go_on(tmp_path: Path) -> None:
    process = story(tmp_path, "cluster.apply.after=stop@2")
    pid, status = os.waitpid(process.pid, os.WUNTRACED)

    assert os.WIFSTOPPED(status)
    assert os.WSTOPSIG(status) == signal.SIGSTOP
    assert hits(tmp_path) == ["cluster.apply.after stop 2"]

    os.kill(pid, signal.SIGCONT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.splitlines() == ALL


def test_raise_is_an_error_that_names_the_failpoint(tmp_path: Path) -> None:
    code, printed, log = told(tmp_path, "cluster.apply.before=raise@2")

    assert code == 1
    assert printed == ALL[:1]
    assert log == ["cluster.apply.before raise 2"]


def test_sleep_waits_and_goes_on(tmp_path: Path) -> None:
    began = time.monotonic()
    assert told(tmp_path, "cluster.apply.before=sleep:0.5@1") == (0, ALL, ["cluster.apply.before sleep 1"])
    assert time.monotonic() - began >= 0.5


def test_log_writes_every_visit_of_every_failpoint(tmp_path: Path) -> None:
    code, printed, log = told(tmp_path, "*=log")

    assert (code, printed) == (0, ALL)
    calls = [f"cluster.apply.{side} log {turn}" for turn in (1, 2, 3) for side in ("before", "after")]
    commits = [f"store.commit.before/{about}" for about in ("claimed log 1", "applied log 1", "claimed log 2")]
    assert log == calls + commits


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_known_failpoint_can_be_armed(name: str) -> None:
    assert armed_by({"TRIMTAB_FAILPOINT": f"{name}=kill@2"}) == Armed(name, "kill", nth=2)
    assert armed_by({"TRIMTAB_FAILPOINT": f"{name}/claimed=kill"}) == Armed(name, "kill", about="claimed")


@pytest.mark.parametrize(
    "text",
    [
        "nowhere.before=kill",
        "cluster.apply.before=explode",
        "cluster.apply.before=kill@x",
        "cluster.apply.before",
        "cluster.apply.before=sleep:long",
        "=kill",
    ],
)
def test_what_cannot_be_armed_is_an_error(text: str) -> None:
    with pytest.raises(BadSettings, match="TRIMTAB_FAILPOINT"):
        armed_by({"TRIMTAB_FAILPOINT": text})
