"""`trimtab run`: the program itself."""

from __future__ import annotations

import sys

from controller import logs
from controller.app import run as run_program
from controller.cli.exits import Exit
from controller.cli.screen import Screen
from controller.cli.setup import redaction
from controller.settings import Settings


def run(_screen: Screen, settings: Settings) -> Exit:
    """Lead or stand by until told to stop."""
    logs.configure(sys.stdout, settings.log_level, settings.log_format, redaction(settings))
    run_program(settings)
    return Exit.OK
