"""Starts `writer.py` as a process of its own, and reads what it says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.layout import ROOT


@contextmanager
def writer(url: str, epoch: int | None = None, failpoint: str = "") -> Iterator["subprocess.Popen[str]"]:
    """A running writer; killed at the end, and gone afterwards."""
    arguments = [url] if epoch is None else [url, str(epoch)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.database.writer", *arguments],
        cwd=ROOT,
        env={**os.environ, "TRIMTAB_FAILPOINTS": "1" if failpoint else "", "TRIMTAB_FAILPOINT": failpoint},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: "subprocess.Popen[str]") -> str:
    """The next line it says, empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def acknowledged(process: "subprocess.Popen[str]", at_least: int) -> int:
    """Wait until so many commits were acknowledged, kill it, and return the last number it had said."""
    last = 0
    while last < at_least:
        last = number_of(line(process), last)
    process.kill()
    # What was read ahead belongs to it: communicate() would pass over that.
    assert process.stdout is not None
    for rest in process.stdout.read().split():
        last = number_of(rest, last)
    return last


def number_of(text: str, otherwise: int) -> int:
    """The number in a whole line."""
    return int(text) if text.isdigit() else otherwise
