"""Nothing is left running: not after a stop, not after the interpreter, not after a run that was killed."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from tests.controlplane import process as processes
from tests.controlplane.errors import FixtureError, NeverReady
from tests.controlplane.ports import free_port
from tests.controlplane.process import Process
from tests.controlplane.reaper import started
from tests.controlplane.waiting import wait_for

ROOT = Path(__file__).parents[2]
SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def test_a_stopped_process_is_gone(tmp_path: Path) -> None:
    server = Process("sleeper", SLEEP, log=tmp_path / "log").start()
    pid = server.pid
    assert server in processes.running()

    server.stop()

    assert started(pid) is None
    assert server not in processes.running()
    server.stop()


def test_one_that_ignores_the_request_is_ended_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-I", "-S", "-c", STUBBORN]
    server = Process("stubborn", command, log=log, ready=lambda: "up" in log.read_text()).start()

    server.stop(grace=0.3)

    assert not server.running


def test_a_frozen_process_does_nothing_goes_on_and_can_be_stopped(tmp_path: Path) -> None:
    server = Process("sleeper", SLEEP, log=tmp_path / "log").start()
    server.freeze()
    stat = Path(f"/proc/{server.pid}/stat")
    wait_for("it is frozen", lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
    server.thaw()
    wait_for("it goes on", lambda: stat.read_text().rpartition(")")[2].split()[0] != "T")
    server.freeze()

    server.stop()

    assert not server.running


def test_one_that_ends_early_shows_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", "print('port taken'); raise SystemExit(3)"]
    server = Process("broken", command, log=tmp_path / "log", ready=lambda: False)

    with pytest.raises(NeverReady, match=r"broken: ended with 3 before it was ready(.|\n)*port taken"):
        server.start()


def test_one_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    server = Process("silent", SLEEP, log=tmp_path / "log", ready=lambda: False, ready_within=0.2)

    with pytest.raises(NeverReady, match="was not ready in time"):
        server.start()
    assert not server.running


def test_starting_twice_is_refused(tmp_path: Path) -> None:
    server = Process("sleeper", SLEEP, log=tmp_path / "log").start()
    with pytest.raises(FixtureError, match="runs already"):
        server.start()
    server.kill()


def _run_with_server(ending: str) -> tuple[subprocess.Popen[str], int]:
    """A Python that starts a server and prints its process id, then does `ending`."""
    script = f"""
        import os, signal, sys, tempfile, time
        from pathlib import Path
        from tests.controlplane.process import Process
        server = Process("sleeper", {SLEEP!r}, log=Path(tempfile.mkdtemp()) / "log").start()
        print(server.pid, flush=True)
        {ending}
    """
    run = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert run.stdout is not None
    return run, int(run.stdout.readline())


@pytest.mark.parametrize("ending", ["pass", "raise SystemExit(1)"], ids=["end", "exit"])
def test_the_end_of_the_interpreter_ends_its_servers(ending: str) -> None:
    run, pid = _run_with_server(ending)
    run.communicate(timeout=60)

    assert started(pid) is None


def test_a_killed_run_leaves_nothing_behind() -> None:
    run, pid = _run_with_server("time.sleep(600)")
    assert started(pid) is not None

    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)

    wait_for("the server is gone", lambda: started(pid) is None, timeout=30)


ALL = """
pytest_plugins = ["tests.controlplane.fixtures"]

def test_all(control_plane, namespace, postgres_url, prometheus, alertmanager, slack_server, apiserver_proxy,
             prometheus_proxy, chromium, workloads):
    workloads.deploy("checkout", "registry.test/checkout:v41", 1, wait=True)
    assert chromium.version
"""


@pytest.mark.controlplane
def test_the_whole_set_of_servers_is_gone_after_a_run() -> None:
    """Every fixture in one run of its own; afterwards neither a process nor a file of it is left."""
    with tempfile.TemporaryDirectory(prefix="all-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "test_all.py").write_text(ALL)
        (folder / "pytest.ini").write_text("[pytest]\nmarkers = controlplane: real\n")
        (folder / "tmp").mkdir()
        environ = {**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "--rootdir", made]
        done = subprocess.run(command, cwd=made, env=environ, capture_output=True, text=True, check=False, timeout=150)

        if "1 skipped" in done.stdout:
            pytest.skip(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr
        assert _with_in_command_line(made) == []
        assert [one.name for one in (folder / "tmp").iterdir() if not one.name.startswith("trimtab-ports")] == []


def _with_in_command_line(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and started(int(entry.parent.name)):
            found.append(line)
    return found


def test_ports_are_never_given_twice() -> None:
    mine = {free_port() for _ in range(50)}
    script = "from tests.controlplane.ports import free_port; print(*(free_port() for _ in range(50)))"
    theirs = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)

    assert len(mine) == 50
    assert not mine & {int(port) for port in theirs.stdout.split()}
