"""PostgreSQL 15 of one's own: its own data folder and port, and a fresh database for whoever asks."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from tests.controlplane.errors import FixtureError, MissingTool
from tests.controlplane.ports import free_port
from tests.controlplane.process import Process

_DEBIAN = Path("/usr/lib/postgresql")
_FAST = signal.SIGINT


def programs() -> Path:
    """The folder with `initdb` and `postgres`: Debian's, else the one on PATH."""
    for version in ("15", "16", "17", "18"):
        if (_DEBIAN / version / "bin" / "initdb").exists():
            return _DEBIAN / version / "bin"
    found = shutil.which("initdb")
    if found is None:
        raise MissingTool("PostgreSQL is not here: `apt-get install postgresql-15` (or `make tools` as root).")
    return Path(found).parent


class Postgres:
    """One server in `folder`, for the user `trimtab`, without durability: it lives as long as the tests."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._bin = programs()
        self._data = folder / "data"
        self._user = _unprivileged() if os.getuid() == 0 else None
        folder.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            shutil.chown(folder, self._user)
        argv: list[str | Path] = [self._bin / "postgres", "-D", self._data, "-p", str(self.port)]
        for setting in (
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "synchronous_commit=off",
            "max_connections=300",
        ):
            argv += ["-c", setting]
        self._folder = folder
        self.process = Process(
            "postgres",
            argv,
            log=folder.parent / f"{folder.name}.log",
            ready=self._answers,
            user=self._user,
            cwd=folder,
            stop_signal=_FAST,
        )

    def start(self) -> "Postgres":
        """Make the data folder and start; returns when it takes connections."""
        command = [
            str(self._bin / "initdb"),
            "-D",
            str(self._data),
            "-U",
            "trimtab",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        done = subprocess.run(
            [*command, "--locale=C.UTF-8"],
            capture_output=True,
            text=True,
            check=False,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            cwd=self._folder,
        )
        if done.returncode != 0:
            raise FixtureError(f"initdb ended with {done.returncode}: {done.stderr}")
        self.process.start()
        return self

    def stop(self) -> None:
        """End it, and return when it is gone."""
        self.process.stop()

    @contextmanager
    def database(self) -> Iterator[str]:
        """A SQLAlchemy address of a fresh, empty database; dropped afterwards, whoever is still connected."""
        name = f"t_{secrets.token_hex(6)}"
        self._do(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"postgresql+psycopg://trimtab@127.0.0.1:{self.port}/{name}"
        finally:
            if self.process.running:
                self._do(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _do(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._admin(), autocommit=True) as connection:
            connection.execute(statement)

    def _admin(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=trimtab dbname=postgres connect_timeout=2"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._admin()).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
            return False
        return True


def _unprivileged() -> str:
    """PostgreSQL refuses to run as root: the account that its package makes, else nobody."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise MissingTool("PostgreSQL does not run as root, and there is neither an account postgres nor nobody.")
