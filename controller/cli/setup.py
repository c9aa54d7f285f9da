"""What a command starts from: the settings with the options that were given, and what is to be hidden."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from controller import logs
from controller.redaction import Redaction, SecretFiles
from controller.settings import Settings, load


def settings(kubeconfig: Path | None = None, context: str = "") -> Settings:
    """The settings, an option winning over a variable. Raises BadSettings."""
    found = load()
    given: dict[str, object] = {}
    if kubeconfig is not None:
        given["kubeconfig"] = kubeconfig
    if context:
        given["context"] = context
    return found.model_copy(update=given) if given else found


def redaction(found: Settings) -> Redaction:
    """Hides every secret file, and what settings hold that should have been one."""
    path = urlsplit(found.webhook_url).path
    besides = [found.database_url.get_secret_value(), *([path] if len(path) > 12 else [])]
    besides = [text for text in besides if not text.startswith("sqlite:")]
    return Redaction(SecretFiles(found.secrets, besides))


def quiet_logs(redact: Redaction) -> None:
    """A command's own log: errors only, beside its answer."""
    logs.configure(sys.stderr, "error", "", redact)


def in_pod(found: Settings, command: str) -> str:
    """The same command where the program runs, to be typed on one's own machine."""
    return f"kubectl -n {found.namespace} exec deploy/{found.lease_name} -- trimtab {command}"
