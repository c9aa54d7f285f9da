"""The reference pages made from the code: every command, every setting. `python -m controller.reference DOCS`.

A test compares the pages with what this module makes, so that they cannot say anything else than the program does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from typer.main import get_command

from controller import chart
from controller.cli.commands import app
from controller.cli.exits import CODES
from controller.settings import Settings

MADE = "<!-- Written by python -m controller.reference docs from the code. Do not edit. -->"

SECRETS = (
    ("slack/app-token", "Slack's app-level token (scope `connections:write`)."),
    ("slack/bot-token", "Slack's bot token (scope `chat:write`)."),
    ("database/url", "`postgresql://USER:PASSWORD@HOST/DATABASE`; wins over `database_url`."),
    ("prometheus/bearer", "Bearer token for Prometheus."),
    ("prometheus/password", "Password for `prometheus_username`."),
    ("prometheus/ca.crt", "Authority that vouches for Prometheus."),
    ("prometheus/tls.crt", "Client certificate for Prometheus, with `prometheus/tls.key`."),
    ("prometheus/tls.key", "Its key."),
    ("alertmanager/token", "Bearer token that Alertmanager's webhook has to show."),
    ("webhook/secret", "Signs what `webhook_url` gets."),
    ("pagerduty/key", "Integration key of PagerDuty's Events v2; with it, PagerDuty is paged."),
    ("proxy/secret", "What a trusted proxy shows in `proxy_secret_header`."),
    ("proxy/session-key", "Signs logins to the page; replicas that share it accept each other's."),
)
"""Every secret file that the program reads."""


COMMANDS = """\
Exit codes: {codes}. Where a command takes `--output text|json|markdown`, text is for people and JSON for programs.
Commands that change something show what they will do and ask; `--yes` skips the question. `NO_COLOR` is obeyed.

## Where each command runs

| commands | where | as |
|---|---|---|
| `doctor`, `incidents`, `explain`, `plan`, `report`, `audit verify` | in the pod, where log and settings are | \
trimtab's account |
| `status` | in the pod; or on your machine, with `--url` | trimtab's account, or whose token it shows |
| `approve`, `reject`, `undo`, `pause`, `resume`, `release`, `store adopt` | on your machine, by your kubeconfig | you |
| `runbook …`, `rbac`, `demo`, `version` | anywhere; they need no cluster | – |

In the pod means `kubectl -n trimtab exec deploy/trimtab -- trimtab explain INC-1`.
[Install](../how-to/install.md#the-command-line-on-your-machine) says how to get `trimtab` onto your machine."""

SETTINGS = """\
In a cluster you set values of the Helm chart; the column *chart* says which value sets what. A setting without one is
given as a variable under `env`: `--set-string env.TRIMTAB_WORKERS=2`.

To the program each setting is a variable (`TRIMTAB_` and the name in capitals) or a line of one YAML file that
`TRIMTAB_SETTINGS_FILE` names; variables win. Lists may be written `a,b`; what lies below a name takes `__`:
`TRIMTAB_BUDGETS__NAMESPACE=3`. An unknown name in the file is an error; `trimtab doctor` names an unknown variable.
Durations are seconds."""

KEPT = """\
In a cluster each folder is a Secret in trimtab's namespace, and each file is a key of it. The names below are those of
a release called trimtab; the chart value names another one. A Secret may be made later; only the one that
`database.secret` names has to be there at the start.

To the program they are files below the folder `secrets`, read again when they change. Their content appears in no log
and no output."""


def commands_page() -> str:
    """docs/reference/cli.md."""
    root = get_command(app)
    lines = ["# Commands", "", MADE, "", COMMANDS.format(codes=CODES), ""]
    for name, command in leaves("trimtab", root):
        lines += _command(name, command)
    return "\n".join(lines)


def leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command that can be run, with its full name."""
    below = getattr(command, "commands", {})
    if not below or getattr(command, "invoke_without_command", False):
        yield path, command
    for name, one in sorted(below.items()):
        yield from leaves(f"{path} {name}", one)


def _command(name: str, command: Any) -> Iterator[str]:
    parameters = [one for one in command.params if one.name != "help"]
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option"]
    yield f"## {name}"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    yield "```"
    yield " ".join((name, *(_usage(one) for one in arguments), *(("[options]",) if options else ())))
    yield "```"
    if options:
        yield ""
        yield "| option | |"
        yield "|---|---|"
        for one in options:
            names = ", ".join(f"`{opt}`" for opt in one.opts)
            yield f"| {names} | {_about(one)} |"
    yield ""


def _usage(argument: Any) -> str:
    shown = argument.metavar or argument.name.upper()
    return f"{shown}…" if argument.nargs == -1 else str(shown)


def _about(option: Any) -> str:
    about = (option.help or "").replace("|", "\\|")
    kind = option.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        about += f" One of {', '.join(f'`{choice.value}`' for choice in kind)}."
    if option.required:
        return f"{about} Required."
    plain = option.default is not None and not option.is_flag and option.default not in ("", ())
    shown = getattr(option.default, "value", option.default)
    return f"{about} Default: `{shown}`." if plain else about


def settings_page() -> str:
    """docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        MADE,
        "",
        SETTINGS,
        "",
        "| setting | chart | default | |",
        "|---|---|---|---|",
        *(_setting(name, info) for name, info in settings(Settings)),
        "",
        "## Secrets",
        "",
        KEPT,
        "",
        "| file | Secret | chart | |",
        "|---|---|---|---|",
        *(f"| `{name}` | {_kept(name)} | {about} |" for name, about in SECRETS),
        "",
    ]
    return "\n".join(lines)


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting by its dotted name, groups opened."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def _kept(file: str) -> str:
    value, secret = chart.SECRETS[file.partition("/")[0]]
    return f"{f'`{secret}`' if secret else 'yours to name'} | `{value}`"


def _value(setting: str) -> str:
    if setting in chart.FIXED:
        return "set by the chart"
    return f"`{chart.VALUES[setting]}`" if setting in chart.VALUES else "–"


def _setting(name: str, info: FieldInfo) -> str:
    default = info.get_default(call_default_factory=True)
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    match value:
        case None | "" | [] | {}:
            shown = "–"
        case list():
            shown = f"`{','.join(map(str, value))}`"
        case bool():
            shown = f"`{str(value).lower()}`"
        case float():
            shown = f"`{value:g}`"
        case _:
            shown = f"`{value}`"
    return f"| `{name}` | {_value(name)} | {shown} | {(info.description or '').replace('|', chr(92) + '|')} |"


def main(docs: Path) -> None:
    """Write both pages."""
    (docs / "reference/cli.md").write_text(commands_page(), encoding="utf-8")
    (docs / "reference/settings.md").write_text(settings_page(), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("python -m controller.reference DOCS")
    main(Path(sys.argv[1]))
