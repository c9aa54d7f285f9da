"""How to reach the API server: inside a pod, or by a kubeconfig.

Promises that a token in a file is read again for each request, so that a rotated one is used at once, and that nothing
is written back to a kubeconfig. "Inside a pod" means that no kubeconfig was named and Kubernetes' variables are set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import client, config

from controller.errors import BadSettings

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

SHAPES = (AttributeError, KeyError, TypeError)
"""What the library runs into when a kubeconfig is YAML of another shape."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the API server is. No kubeconfig: the pod's own account, else `$KUBECONFIG`, else `~/.kube/config`."""

    kubeconfig: Path | None = None
    context: str | None = None
    timeout_seconds: float = 10.0
    connect_seconds: float = 5.0
    user_agent: str = "trimtab"


async def configuration(connection: Connection) -> client.Configuration:
    """The client's configuration for a connection; raises `BadSettings` when there is none or it cannot be read."""
    try:
        if connection.kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            return in_cluster(SERVICE_ACCOUNT, os.environ)
        path = str(connection.kubeconfig or os.environ.get("KUBECONFIG") or config.KUBE_CONFIG_DEFAULT_LOCATION)
        return await from_kubeconfig(there(path), connection.context)
    except (config.ConfigException, OSError, yaml.YAMLError, *SHAPES) as cause:
        raise BadSettings(
            f"The API server's address could not be read: {cause}",
            "Name a kubeconfig and context that exist, or run inside a pod with a service account.",
        ) from cause


def there(path: str) -> str:
    """The path, or paths, if a file is there; the library would call one that is not there invalid."""
    if not any(Path(one).expanduser().exists() for one in path.split(os.pathsep)):
        raise config.ConfigException(f"there is no kubeconfig {path}")
    return path


def in_cluster(folder: Path, environment: Mapping[str, str]) -> client.Configuration:
    """The service account mounted at `folder`."""
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    made = client.Configuration(host=f"https://{f'[{host}]' if ':' in host else host}:{port}")
    made.ssl_ca_cert = str(folder / "ca.crt")
    if not (folder / "ca.crt").is_file():
        raise config.ConfigException(f"{folder / 'ca.crt'} does not exist")
    follow_token(made, folder / "token")
    return made


async def from_kubeconfig(paths: str, context: str | None) -> client.Configuration:
    """The user of `context` (else of the current one) in one kubeconfig, or in several as `$KUBECONFIG` lists them."""
    made = client.Configuration()
    loader = await config.load_kube_config(  # type: ignore[no-untyped-call]  # the library types its models only
        paths, context=context, client_configuration=made, persist_config=False
    )
    name = (loader.current_context.get("context") or {}).get("user")
    for path in map(Path, paths.split(os.pathsep)):
        user = _user(path, name)
        if "tokenFile" in user and "token" not in user:
            follow_token(made, path.parent / user["tokenFile"])
        if "exec" in user:
            _hook(made, _exec_again(loader))
    return made


def follow_token(made: client.Configuration, path: Path) -> None:
    """Send the token that stands in `path` at each request; an unreadable file leaves the last one in force."""

    def reread(current: client.Configuration) -> None:
        try:
            token = path.read_text(encoding="utf-8").strip()
        except OSError:
            return
        if token:
            current.api_key["BearerToken"] = f"Bearer {token}"

    reread(made)
    if "BearerToken" not in made.api_key:
        raise config.ConfigException(f"{path} holds no token")
    _hook(made, reread)


def _hook(made: client.Configuration, refresh: Callable[[client.Configuration], Any]) -> None:
    made.refresh_api_key_hook = refresh  # type: ignore[assignment]  # the library's annotation knows only None


def _exec_again(loader: Any) -> Callable[[client.Configuration], Any]:
    """Ask a credential plugin again once what it gave has expired (the loader knows when)."""

    async def again(current: client.Configuration) -> None:
        if hasattr(loader, "exec_plugin_expiry"):
            await loader.load_from_exec_plugin()
            current.api_key["BearerToken"] = loader.token

    return again


def _user(path: Path, name: str | None) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    users = {entry.get("name"): entry.get("user") or {} for entry in document.get("users") or ()}
    return users.get(name, {})
