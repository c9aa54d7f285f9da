"""The tree of commands: names, options and help; what each does is imported when it runs.

Nothing heavy may be imported at the top of this file: `trimtab version` and `--help` start with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from controller.cli.exits import CODES, Exit
from controller.cli.screen import Ended, ExportAs, Format, Screen
from controller.errors import BadSettings, Denied, TrimtabError

if TYPE_CHECKING:
    from controller.settings import Settings

Work: TypeAlias = Callable[[Screen, "Settings"], Exit | Coroutine[Any, Any, Exit]]

app = typer.Typer(
    name="trimtab",
    help="Watches Kubernetes services through Prometheus: scales them ahead of their load, judges their rollouts, "
    "repairs what breaks. Acts alone only where a policy consents and either its measured record (repairs) or a stated "
    "bound (floors, rollbacks of a worse version) carries it.",
    epilog="approve, reject, undo, pause, resume, release and store adopt act as you: run them on your machine. What "
    f"reads the log (explain, plan, incidents, report, doctor, audit) runs in trimtab's pod. Exit codes: {CODES}.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Output: TypeAlias = Annotated[Format, typer.Option("--output", "-o", help="How the answer is written.")]
Incident: TypeAlias = Annotated[str, typer.Argument(help="An incident, such as INC-2041.", metavar="ID")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before doing it.")]
Kubeconfig: TypeAlias = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Whose rights are used; $KUBECONFIG or ~/.kube/config when absent.")
]
Context: TypeAlias = Annotated[
    str, typer.Option("--context", help="The kubeconfig's context; its current one when absent.")
]
Namespace: TypeAlias = Annotated[
    str, typer.Option("--namespace", "-n", help="The workload's namespace, where you may not list all of them.")
]
Wait: TypeAlias = Annotated[float, typer.Option("--wait", min=0, max=600, help="Seconds to wait for the outcome.")]
Paths: TypeAlias = Annotated[list[Path], typer.Argument(help="Runbook files, or folders of them.", metavar="FILE|DIR")]

incidents_app = typer.Typer(help="List incidents, or export one.", invoke_without_command=True)
runbook_app = typer.Typer(help="Write, lint and test runbooks.", no_args_is_help=True)
audit_app = typer.Typer(help="Check the log.", no_args_is_help=True)
store_app = typer.Typer(help="Say which database counts.", no_args_is_help=True)
for name, group in (
    ("incidents", incidents_app),
    ("runbook", runbook_app),
    ("audit", audit_app),
    ("store", store_app),
):
    app.add_typer(group, name=name)


@app.command()
def run() -> None:
    """Run the program: watch, ask, act where it may, until told to stop."""
    from controller.cli import running

    finish(running.run)


@app.command()
def status(
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only this namespace.")] = "",
    url: Annotated[str, typer.Option("--url", help="The page of the program; this machine's when absent.")] = "",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="A file with a Kubernetes token; the kubeconfig's or the pod's when absent."),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
) -> None:
    """Show every watched service: load, forecast, data, floor, rollout, modes, and what would have been done."""
    from controller.app import open_clock
    from controller.cli import status as glance
    from controller.cli.asking import Address

    address = Address(url, token_file)
    finish(
        lambda screen, settings: glance.status(screen, settings, address, namespace, open_clock().now()),
        Format.JSON if as_json else output,
        kubeconfig=kubeconfig,
        context=context,
    )


@app.command()
def report(
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How many days back.")] = 7,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Count back from then (UTC), not from now."
        ),
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Tell the last days: what was done, would have been done, was asked, and what came of it."""
    from controller.app import open_clock
    from controller.cli import status as glance

    end = open_clock().now() if until is None else until.replace(tzinfo=UTC)
    finish(lambda screen, settings: glance.report(screen, settings, days, end), output)


@incidents_app.callback()
def incidents(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over as well.")] = False,
    output: Output = Format.TEXT,
) -> None:
    """List incidents, the newest first, or export one."""
    if context.invoked_subcommand is not None:
        return
    from controller.cli import stories

    finish(lambda screen, settings: stories.incidents(screen, settings, limit, everything), output)


@incidents_app.command("export")
def export(
    incident: Incident,
    form: Annotated[ExportAs, typer.Option("--as", help="What it becomes.")],
) -> None:
    """Write one incident as a runbook test, or as Markdown for a post-mortem."""
    from controller.cli import stories

    finish(lambda screen, settings: stories.export(screen, settings, incident, form))


@app.command()
def explain(incident: Incident, output: Output = Format.TEXT) -> None:
    """Tell one incident: what happened, why, what was done about it."""
    from controller.cli import stories

    finish(lambda screen, settings: stories.explain(screen, settings, incident), output)


@app.command()
def plan(incident: Incident, output: Output = Format.TEXT) -> None:
    """Show the exact plan of one incident: its diff, what it rests on, what it does not bring back."""
    from controller.cli import stories

    finish(lambda screen, settings: stories.plan(screen, settings, incident), output)


@app.command()
def approve(
    incident: Incident,
    namespace: Namespace = "",
    wait: Wait = 10.0,
    yes: Yes = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.TEXT,
) -> None:
    """Approve the plan of one incident, as yourself."""
    from controller.cli import answers
    from controller.core.events import Verdict

    asked = answers.Asked(incident, namespace, wait)
    finish(
        lambda screen, settings: answers.decide(screen, settings, asked, Verdict.APPROVE),
        output,
        yes=yes,
        kubeconfig=kubeconfig,
        context=context,
    )


@app.command()
def reject(
    incident: Incident,
    reason: Annotated[str, typer.Option("--reason", help="Why: it is what the runbook learns from.")],
    namespace: Namespace = "",
    wait: Wait = 10.0,
    yes: Yes = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.TEXT,
) -> None:
    """Reject the plan of one incident, as yourself, with a reason."""
    if not reason.strip():
        raise typer.BadParameter(
            "a rejection needs a reason: it is what the runbook learns from", param_hint="--reason"
        )
    from controller.cli import answers
    from controller.core.events import Verdict

    asked = answers.Asked(incident, namespace, wait)
    finish(
        lambda screen, settings: answers.decide(screen, settings, asked, Verdict.REJECT, reason.strip()[:1000]),
        output,
        yes=yes,
        kubeconfig=kubeconfig,
        context=context,
    )


@app.command()
def undo(
    incident: Incident,
    namespace: Namespace = "",
    wait: Wait = 10.0,
    yes: Yes = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.TEXT,
) -> None:
    """Take the action of one incident back, as yourself, where that can be done."""
    from controller.cli import answers

    asked = answers.Asked(incident, namespace, wait)
    finish(
        lambda screen, settings: answers.undo(screen, settings, asked),
        output,
        yes=yes,
        kubeconfig=kubeconfig,
        context=context,
    )


@app.command()
def pause(
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for everybody who wonders.")
    ] = "paused on the command line",
    namespaces: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Only here; may be given again. Everywhere when absent."),
    ] = None,
    yes: Yes = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.TEXT,
) -> None:
    """Stop automation, everywhere or in some namespaces, as yourself: nothing acts until `trimtab resume`."""
    from controller.cli import switch

    places = tuple(namespaces or ())
    finish(
        lambda screen, settings: switch.pause(screen, settings, reason, places),
        output,
        yes=yes,
        kubeconfig=kubeconfig,
        context=context,
    )


@app.command()
def resume(
    yes: Yes = False, kubeconfig: Kubeconfig = None, context: Context = "", output: Output = Format.TEXT
) -> None:
    """Let automation go on, as yourself: ends every pause, after showing them."""
    from controller.cli import switch

    finish(switch.resume, output, yes=yes, kubeconfig=kubeconfig, context=context)


@app.command()
def release(
    everything: Annotated[
        bool, typer.Option("--all", help="Every floor; asked for in so many words, since it is no small thing.")
    ] = False,
    namespaces: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Only here; may be given again. Everywhere when absent."),
    ] = None,
    yes: Yes = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.TEXT,
) -> None:
    """Give every floor back to its owner, as yourself; works without the program."""
    if not everything:
        raise typer.BadParameter("say --all to give back every floor", param_hint="--all")
    from controller.cli import release as letting

    places = tuple(namespaces or ())
    finish(
        lambda screen, settings: letting.release(screen, settings, places),
        output,
        yes=yes,
        kubeconfig=kubeconfig,
        context=context,
    )


@app.command()
def doctor(kubeconfig: Kubeconfig = None, context: Context = "", output: Output = Format.TEXT) -> None:
    """Say whether trimtab has what it needs, and what to do where it has not."""
    from controller.cli import doctor as checkup

    finish(checkup.doctor, output, unset=Exit.DEGRADED, kubeconfig=kubeconfig, context=context)


@app.command()
def rbac(
    runbooks: Annotated[Path, typer.Option("--runbooks", help="Runbook files, or a folder of them.", metavar="DIR")],
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", help="Where they act; may be given again. The setting act_namespaces when absent."
        ),
    ] = None,
    account: Annotated[str, typer.Option("--account", help="trimtab's ServiceAccount.")] = "trimtab",
) -> None:
    """Print the roles that the runbooks of a folder need, as YAML. Grants nothing itself."""
    from controller.cli import runbooks as books

    places = tuple(namespaces or ())
    finish(lambda screen, settings: books.rbac(screen, settings, runbooks, places, account))


@runbook_app.command("lint")
def lint(paths: Paths, output: Output = Format.TEXT) -> None:
    """Read runbooks strictly: every problem with file, line, column and the nearest known word."""
    from controller.cli import runbooks as books

    finish(lambda screen, _: books.lint(screen, paths), output)


@runbook_app.command("test")
def run_tests(paths: Paths, output: Output = Format.TEXT) -> None:
    """Run the tests inside runbooks; say what each needs and touches."""
    from controller.cli import runbooks as books

    finish(lambda screen, _: books.test(screen, paths), output)


@runbook_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and dashes.")],
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Where to; NAME.yaml when absent.")] = None,
) -> None:
    """Write a commented runbook to start from; it lints clean and its tests pass."""
    from controller.cli import runbooks as books

    finish(lambda screen, _: books.new(screen, name, file))


@audit_app.command("verify")
def verify(
    head: Annotated[str, typer.Option("--head", help="A head kept elsewhere; that of the Lease when absent.")] = "",
    output: Output = Format.TEXT,
) -> None:
    """Recompute the hash chain: was anything edited, deleted, reordered or cut?"""
    from controller.cli import log

    finish(lambda screen, settings: log.verify(screen, settings, head), output)


@store_app.command("adopt")
def adopt(yes: Yes = False, kubeconfig: Kubeconfig = None, context: Context = "", output: Output = Format.TEXT) -> None:
    """Say, as yourself, that the database found is the right one, though the Lease remembers another or a newer one."""
    from controller.cli import adoption

    finish(adoption.adopt, output, yes=yes, kubeconfig=kubeconfig, context=context)


@app.command()
def demo(
    until_done: Annotated[bool, typer.Option("--until-done", help="End with the stories; no page is left up.")] = False,
    approve_all: Annotated[
        bool, typer.Option("--approve-all", help="Say yes to every question of the lab, as its person.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Another morning of the same shop.")] = 7,
    file: Annotated[
        Path | None, typer.Option("--json", help="Write what came of it, as JSON.", metavar="FILE", dir_okay=False)
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", help="A fleet of your own instead, with its faults.", metavar="FILE")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65_535, help="Port of the page; 8080 when absent, another if it is taken."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Keep the log, as demo.db in this folder.", metavar="FOLDER", file_okay=False),
    ] = None,
) -> None:
    """Show all of it without a cluster: two hours of a small shop in about a minute."""
    from controller.cli import demo as shown
    from controller.demo.run import Wishes

    pace = None if until_done else shown.PACE
    wishes = Wishes(seed, scenario, until_done, approve_all, port, pace, keep=keep)
    raise typer.Exit(shown.begin(wishes, Screen(), file))


@app.command()
def version(output: Output = Format.TEXT) -> None:
    """Say which version this is."""
    from importlib.metadata import version as installed

    screen = Screen(output)
    if output is Format.JSON:
        screen.json({"version": installed("trimtab")})
    else:
        screen.text(f"trimtab {installed('trimtab')}")


def finish(
    work: Work,
    output: Format = Format.TEXT,
    *,
    yes: bool = False,
    unset: Exit = Exit.USAGE,
    kubeconfig: Path | None = None,
    context: str = "",
) -> None:
    """Run one command over the settings, and end with its exit code; `unset` is that of settings that are wrong."""
    import asyncio

    from controller.cli import setup

    screen = Screen(output, yes)
    try:
        settings = setup.settings(kubeconfig, context)
        redact = setup.redaction(settings)
        screen.hide = redact
        setup.quiet_logs(redact)
        answer = work(screen, settings)
        code = answer if isinstance(answer, Exit) else asyncio.run(answer)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 1
        )  # whoever read our output has gone; the flush at exit must not fail
        code = Exit.OK
    except Ended as ended:
        if ended.sentence:
            screen.problem(ended.sentence)
        code = ended.code
    except TrimtabError as error:
        screen.problem(error)
        code = unset if isinstance(error, BadSettings) else Exit.DENIED if isinstance(error, Denied) else Exit.FAILED
    raise typer.Exit(int(code))


def main() -> None:
    """Run the command line."""
    app()
