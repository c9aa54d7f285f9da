"""The tree of commands: names, options and help; what each does is imported when it runs.

Nothing heavy may be imported at the top of this file: `trimtab version` and `--help` start with it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from controller.cli.exits import CODES, Exit
from controller.cli.screen import Ended, Format, Screen
from controller.errors import TrimtabError

if TYPE_CHECKING:
    from controller.settings import Settings

Work: TypeAlias = Callable[[Screen, "Settings"], Exit | Coroutine[Any, Any, Exit]]

app = typer.Typer(
    name="trimtab",
    help="Watches Kubernetes services through Prometheus, repairs what breaks, and acts alone only where it has "
    "earned it.",
    epilog=f"Exit codes: {CODES}.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Output: TypeAlias = Annotated[Format, typer.Option("--output", "-o", help="How the answer is written.")]


@app.command()
def run() -> None:
    """Run the program: watch, ask, act where it may, until told to stop."""
    from controller.cli import running

    finish(running.run)


@app.command()
def version(output: Output = Format.TEXT) -> None:
    """Say which version this is."""
    from importlib.metadata import version as installed

    screen = Screen(output)
    if output is Format.JSON:
        screen.json({"version": installed("trimtab")})
    else:
        screen.text(f"trimtab {installed('trimtab')}")


def finish(work: Work, output: Format = Format.TEXT, *, yes: bool = False, **given: Any) -> None:
    """Run one command over the settings, and end with its exit code."""
    import asyncio

    from controller.cli import setup

    screen = Screen(output, yes)
    try:
        settings = setup.settings(**given)
        redact = setup.redaction(settings)
        screen.hide = redact
        setup.quiet_logs(redact)
        answer = work(screen, settings)
        code = answer if isinstance(answer, Exit) else asyncio.run(answer)
    except Ended as ended:
        if ended.sentence:
            screen.problem(ended.sentence)
        code = ended.code
    except TrimtabError as error:
        screen.problem(error)
        code = code_of(error)
    raise typer.Exit(int(code))


def code_of(error: TrimtabError) -> Exit:
    """The exit code of an error nobody expected."""
    return Exit.FAILED


def main() -> None:
    """Run the command line."""
    app()
