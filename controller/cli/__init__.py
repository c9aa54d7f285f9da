"""The command line: `trimtab …`. One module per group of commands; `commands.py` is the tree of all of them.

Promises that whatever is printed has passed redaction, that errors say what, where and what to do, that exit codes
are those of `exits.py`, and that a command imports only what it uses.
"""

from controller.cli.commands import main

__all__ = ["main"]
