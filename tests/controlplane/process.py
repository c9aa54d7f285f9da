"""One server process: started with its own log, waited for, ended by its process id until it is gone.

Promises that nothing is left running: `stop` returns only when the process is gone, the end of the interpreter stops
what is left, and a run that is itself killed is cleaned up by `reaper.py`. Never ends anything by name.
"""

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.controlplane import reaper
from tests.controlplane.errors import FixtureError, NeverReady

_running: dict[int, "Process"] = {}
_owner = os.getpid()


class _Reaper:
    """The one clean-up process of this interpreter, started with the first server."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def tell(self, line: str) -> None:
        if self._process is None:
            script = str(Path(reaper.__file__))
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", script], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(10)
            self._process = None


_reaper = _Reaper()


class Process:
    """A server: `argv` under `env`, its output in `log`; `ready` answers whether it can be used."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        ready: Callable[[], bool] = lambda: True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        ready_within: float = 60.0,
    ) -> None:
        self.name = name
        self.argv = [str(part) for part in argv]
        self.log = log
        self._ready = ready
        self._env = {**os.environ, **(env or {})}
        self._cwd = cwd
        self._user = user
        self._stop_signal = stop_signal
        self._ready_within = ready_within
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; `FixtureError` when it was never started."""
        if self._popen is None:
            raise FixtureError(f"{self.name} is not running; start() it first")
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the process lives (a frozen one does)."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def ended(self) -> int | None:
        """Its exit code, negative for the signal that ended it; None while it lives or before it was started."""
        return None if self._popen is None else self._popen.poll()

    def start(self, *, wait: bool = True) -> "Process":
        """Start it, and return when it is ready; `NeverReady` with the end of its log otherwise."""
        if self.running:
            raise FixtureError(f"{self.name} runs already as {self.pid}; stop() it first")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                start_new_session=True,
            )
        _running[self.pid] = self
        _reaper.tell(f"{self.pid} {reaper.started(self.pid) or ''}")
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout: float | None = None) -> None:
        """Return when it is ready; `NeverReady` when it ended or took longer than `timeout` seconds."""
        deadline = time.monotonic() + (timeout or self._ready_within)
        while not self._ready():
            if not self.running:
                code = self._popen.returncode if self._popen else None
                self._forget()
                raise NeverReady(self.name, self.log, f"ended with {code} before it was ready")
            if time.monotonic() > deadline:
                self.kill()
                raise NeverReady(self.name, self.log, "was not ready in time")
            time.sleep(0.05)

    def stop(self, grace: float = 10.0) -> None:
        """Ask it to end, insist after `grace` seconds, return when it is gone. It may be gone already."""
        if self._popen is None:
            return
        if self.running:
            self._popen.send_signal(self._stop_signal)
            self._popen.send_signal(signal.SIGCONT)
            try:
                self._popen.wait(grace)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self._popen.wait(30)
        self._forget()

    def kill(self) -> None:
        """SIGKILL, and return when it is gone."""
        if self._popen is None:
            return
        self._popen.kill()
        self._popen.wait(30)
        self._forget()

    def freeze(self) -> None:
        """SIGSTOP: it keeps its sockets and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop, wait until it is gone, start on the same ports, wait until it is ready."""
        self.stop()
        self.start()

    def _forget(self) -> None:
        if self._popen is not None and _running.pop(self._popen.pid, None) is not None:
            _reaper.tell(f"-{self._popen.pid}")


def running() -> tuple[Process, ...]:
    """Every process that was started here and not ended yet."""
    return tuple(_running.values())


@atexit.register
def end_all() -> None:
    """End everything that still runs, last started first. A forked child owns none of it."""
    if os.getpid() != _owner:
        return
    for process in reversed(running()):
        process.stop(grace=3.0)
    _reaper.close()
