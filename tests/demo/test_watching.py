"""Watching the demo: answering in the terminal or on the page, ending it, and what is wrong before it begins."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from httpx2 import AsyncClient

from controller.demo.audience import Place
from controller.demo.run import Wishes, bound_to, play
from controller.demo.stories import Morning
from controller.demo.telling import Line
from controller.errors import BadSettings
from controller.ports import Message
from tests.demo.watchers import Watcher

TRIMTAB = str(Path(sys.executable).parent / "trimtab")
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
DIGEST = re.compile(r'name="digest" value="([^"]+)"')
LONG = 120.0


class Terminal:
    """The demo in a terminal of 60 columns."""

    def __init__(self, *options: str) -> None:
        self.out, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
        self.process = subprocess.Popen(
            [TRIMTAB, "demo", *options],
            stdin=other,
            stdout=other,
            stderr=other,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(other)
        self.raw = b""

    @property
    def text(self) -> str:
        """Everything so far, without what only moves the cursor or colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.decode(errors="replace")).replace("\r", "\n")

    def until(self, word: str) -> str:
        """Read until it is shown; the text then."""
        begin = time.monotonic()
        while word not in " ".join(self.text.split()):
            assert time.monotonic() - begin < LONG, self.text[-2000:]
            if select.select([self.out], [], [], 1.0)[0]:
                try:
                    self.raw += os.read(self.out, 65_536)
                except OSError:  # the other side has closed it
                    break
        assert word in " ".join(self.text.split()), self.text[-2000:]
        return self.text

    def types(self, line: str) -> None:
        os.write(self.out, f"{line}\n".encode())

    def ends(self) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LONG)


@contextmanager
def terminal(*options: str) -> Iterator[Terminal]:
    shown = Terminal(*options)
    try:
        yield shown
    finally:
        if shown.process.poll() is None:
            shown.process.kill()
            shown.process.wait()
        os.close(shown.out)


def test_one_answers_in_the_terminal_and_ctrl_c_leaves_nothing_and_says_how_to_go_on() -> None:
    with terminal("--until-done") as shown:
        shown.until("Type y or n and press Enter")
        shown.types("perhaps")
        shown.until("Type y to approve or n to refuse.")
        shown.types("y")
        shown.until("Approved: it is carried out now")
        told = shown.until("approved: by you on the command line")
        code = shown.ends()

        assert "Confidence" in told
        assert code == 130
        assert "nothing is left running" in " ".join(shown.until("What to try next").split())
    with pytest.raises(ProcessLookupError):
        os.killpg(shown.process.pid, 0)


@dataclass
class OnThePage(Watcher):
    """Somebody who follows the link of the question and presses the button."""

    stop: asyncio.Event
    lines: list[Line] = field(default_factory=list)
    pressed: asyncio.Task[None] | None = None

    def opens(self, place: Place, morning: Morning) -> None:
        assert morning.stories

    def tells(self, line: Line) -> None:
        self.lines.append(line)
        if line.what == "applied" and line.service == "profiles":
            self.stop.set()

    def asks(self, question: Message, link: str) -> None:
        assert next(name for name, _ in question.facts) == "What"
        self.pressed = asyncio.create_task(self.press(link))

    async def press(self, link: str) -> None:
        async with AsyncClient(follow_redirects=True) as browser:
            page = await browser.get(link)
            assert page.status_code == 200, page.text
            incident = str(page.url)
            form = {
                "csrf": CSRF.findall(page.text)[0],
                "digest": DIGEST.findall(page.text)[0],
                "verdict": "approve",
            }
            assert (await browser.post(f"{incident}/answer", data=form)).status_code == 200
        async with AsyncClient() as another:
            assert (await another.get(link)).status_code == 403


async def test_one_answers_on_the_page_by_a_link_that_serves_once() -> None:
    stop = asyncio.Event()
    watcher = OnThePage(stop)

    async with asyncio.timeout(LONG):
        assert await play(Wishes(until_done=True, port=free_port()), watcher, stop) is None

    assert watcher.pressed is not None
    await watcher.pressed
    told = [line.text for line in watcher.lines if line.service == "profiles" and line.what == "approved"]
    assert len(told) == 1
    assert "by you on the page" in told[0]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_a_port_that_is_taken_is_another_one_unless_it_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with bound_to(None, usual=port) as other:
            assert other.getsockname()[1] not in {0, port}
        with pytest.raises(BadSettings, match=str(port)):
            bound_to(port)
        ended = said("--port", str(port))

    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "--port" in ended.stderr
    assert "http_port" not in ended.stderr, "the demo reads no settings"


def said(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TRIMTAB, "demo", *options], capture_output=True, text=True, check=False, timeout=LONG)


FAULTY = """\
name: mine
services:
  - name: web
    load: {rate: 10}
faults:
  - {kind: leek, at: 5m, service: web}
"""
TRACED = """\
name: mine
services:
  - name: web
    load: {trace: mine.csv, peak: 10}
"""


def test_a_scenario_with_errors_is_refused_with_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(FAULTY)
    ended = said("--scenario", str(file))

    assert ended.returncode == 1
    assert f"{file}:6:12: there is no fault leek. Did you mean leak?" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        (None, "there is no trace mine.csv"),
        ("timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:05:00Z,many\n", "line 3"),
    ],
    ids=["absent", "not numbers"],
)
def test_a_trace_that_cannot_be_read_says_where(tmp_path: Path, trace: str | None, told: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TRACED)
    if trace is not None:
        (tmp_path / "mine.csv").write_text(trace)
    ended = said("--scenario", str(file))

    assert ended.returncode == 1
    assert told in ended.stderr


def test_a_trace_that_may_not_be_read_is_the_scenarios_fault_and_not_the_documents(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TRACED)
    (tmp_path / "mine.csv").symlink_to("/proc/self/mem")  # nobody can read its beginning, not even root
    ended = said("--scenario", str(tmp_path / "mine.yaml"))

    assert ended.returncode == 1
    assert "mine.yaml:4:19: trace mine.csv cannot be read: " in ended.stderr


def test_a_file_that_cannot_be_written_is_said_before_anything_begins(tmp_path: Path) -> None:
    ended = said("--json", str(tmp_path / "nowhere" / "demo.json"))

    assert ended.returncode == 2
    assert "cannot be written" in ended.stderr
    assert ended.stdout == ""
