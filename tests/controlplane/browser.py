"""Debian's Chromium under playwright, without a word to the outside.

For synchronous tests, and for one test at a time: while it is open, playwright's synchronous interface occupies the
event loop of this thread, and an asynchronous test could not run. It starts in half a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.controlplane.errors import MissingTool

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAMS = (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"), Path("/usr/bin/google-chrome"))
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-gpu",
)


def program() -> Path:
    """Where Chromium is; `MissingTool` when it is not."""
    for path in PROGRAMS:
        if path.exists():
            return path
    raise MissingTool("Chromium is not here: `apt-get install chromium` (or `make tools` as root).")


@contextmanager
def browser() -> Iterator["Browser"]:
    """A browser (playwright's synchronous one), closed afterwards."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(program()), args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()
