"""Worker processes: they answer, a dead one costs one round, and none outlives the program."""

import os
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from controller.runtime.workers import Workers
from tests.controlplane.waiting import wait_for

PROGRAM = """
import asyncio, signal
from controller.runtime.workers import Workers

async def main():
    workers = Workers(1)
    print(await workers.run(eval, "__import__('os').getpid()"), flush=True)
    await asyncio.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize("count", [0, 1], ids=["in a thread", "in a process"])
async def test_work_is_done_and_its_errors_come_back(count: int) -> None:
    workers = Workers(count)
    try:
        assert await workers.run(len, "four") == 4
        with pytest.raises(ValueError, match="invalid literal"):
            await workers.run(int, "four")
    finally:
        workers.close()


async def test_a_worker_that_dies_costs_one_round() -> None:
    workers = Workers(1)
    try:
        with pytest.raises(BrokenProcessPool):
            await workers.run(os._exit, 3)
        assert await workers.run(len, "four") == 4
    finally:
        workers.close()


def test_no_worker_outlives_a_program_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    root = str(Path(__file__).parents[2])
    program = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    )
    assert program.stdout is not None
    worker = int(program.stdout.readline())
    assert Path(f"/proc/{worker}").exists()

    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()

    wait_for("the worker is gone", lambda: not Path(f"/proc/{worker}").exists(), timeout=30)
