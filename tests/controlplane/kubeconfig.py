"""Kubeconfig files with everything inline, so that one file can be handed to any process."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import yaml

from tests.controlplane.certificates import Pair


@dataclass(frozen=True)
class Token:
    """A bearer token."""

    value: str


def write_kubeconfig(path: Path, server: str, authority: bytes, who: Pair | Token, namespace: str = "default") -> Path:
    """A kubeconfig for `server`, whose certificate `authority` (PEM) vouches for."""
    match who:
        case Pair(cert, key):
            user = {"client-certificate-data": _inline(cert.read_bytes()), "client-key-data": _inline(key.read_bytes())}
        case Token(value):
            user = {"token": value}
        case _:
            assert_never(who)
    _write(
        path,
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "t", "cluster": {"server": server, "certificate-authority-data": _inline(authority)}}
            ],
            "users": [{"name": "t", "user": user}],
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t", "namespace": namespace}}],
            "current-context": "t",
        },
    )
    return path


def redirected(source: Path, path: Path, server: str, authority: bytes) -> Path:
    """The same user as in `source`, towards another `server`."""
    config: dict[str, Any] = yaml.safe_load(source.read_text())
    for entry in config["clusters"]:
        entry["cluster"] = {"server": server, "certificate-authority-data": _inline(authority)}
    _write(path, config)
    return path


def _write(path: Path, config: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))


def _inline(data: bytes) -> str:
    return base64.b64encode(data).decode()
