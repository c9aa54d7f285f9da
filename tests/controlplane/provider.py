"""Where the programs of the control plane come from: a folder with all of them, made once and then reused.

`KUBEBUILDER_ASSETS` → the cache outside the clone → built there from Go modules (versions and hashes locked by
`build/*/go.mod` and `go.sum`) → taken out of the released images, if a Docker engine answers → `MissingTool` with one
sentence. The folder appears whole or not at all (built beside, then renamed), and two runs at once build it once.

`python -m tests.controlplane.provider` makes the folder ready and prints it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.errors import FixtureError, MissingTool

KUBERNETES = "v1.36.3"
ETCD = "v3.7.3"
KWOK = "v0.8.0"
HELM = "v4.3.1"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok", "helm")
BUILD = Path(__file__).parent / "build"

_STAMP = " ".join(
    f"-X {package}.{name}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for name, value in (("gitVersion", KUBERNETES), ("gitMajor", "1"), ("gitMinor", KUBERNETES.split(".")[1]))
)


@dataclass(frozen=True)
class GoBuild:
    """One `go build`: package of the module in `build/<module>`, to the program `name`."""

    name: str
    module: str
    package: str
    ldflags: str = "-s -w"


GO_BUILDS = (
    *(
        GoBuild(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", f"-s -w {_STAMP}")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    ),
    GoBuild("etcd", "kubernetes", "go.etcd.io/etcd/server/v3"),
    GoBuild("kwok", "kubernetes", "sigs.k8s.io/kwok/cmd/kwok"),
    GoBuild("helm", "helm", "helm.sh/helm/v4/cmd/helm"),
)

IMAGES = {
    "etcd": (f"quay.io/coreos/etcd:{ETCD}", "/usr/local/bin/etcd"),
    "kube-apiserver": (f"registry.k8s.io/kube-apiserver:{KUBERNETES}", "/usr/local/bin/kube-apiserver"),
    "kube-controller-manager": (
        f"registry.k8s.io/kube-controller-manager:{KUBERNETES}",
        "/usr/local/bin/kube-controller-manager",
    ),
    "kube-scheduler": (f"registry.k8s.io/kube-scheduler:{KUBERNETES}", "/usr/local/bin/kube-scheduler"),
    "kubectl": (f"registry.k8s.io/kubectl:{KUBERNETES}", "/bin/kubectl"),
    "kwok": (f"registry.k8s.io/kwok/kwok:{KWOK}", "/usr/local/bin/kwok"),
    "helm": (f"docker.io/alpine/helm:{HELM.removeprefix('v')}", "/usr/bin/helm"),
}

Say = Callable[[str], None]


def binaries(environ: Mapping[str, str] = os.environ, say: Say = lambda line: None) -> Path:
    """The folder with every one of `PROGRAMS`; `MissingTool` when nothing can provide it.

    `say` hears one line before anything that takes minutes.
    """
    assets = environ.get("KUBEBUILDER_ASSETS")
    if assets:
        missing = absent(Path(assets))
        if not missing:
            return Path(assets)
        say(f"KUBEBUILDER_ASSETS={assets} lacks {', '.join(missing)}; using the cache instead")
    home = cache_folder(environ) / "controlplane" / version()
    if not absent(home / "bin"):
        return home / "bin"
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / "lock"):
        if absent(home / "bin"):
            _make(home, environ, say)
    return home / "bin"


def absent(folder: Path) -> tuple[str, ...]:
    """The programs that `folder` does not have."""
    return tuple(name for name in PROGRAMS if not os.access(folder / name, os.X_OK))


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`TRIMTAB_CACHE`, else `trimtab` in the user's cache folder."""
    if environ.get("TRIMTAB_CACHE"):
        return Path(environ["TRIMTAB_CACHE"])
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "trimtab"


def version() -> str:
    """Name of the cache folder: the Kubernetes version, and a hash of everything that decides what is built."""
    digest = hashlib.sha256()
    for file in sorted(BUILD.glob("*/go.*")):
        digest.update(f"{file.parent.name}/{file.name}\n".encode() + file.read_bytes())
    for build in GO_BUILDS:
        digest.update(repr(build).encode())
    return f"{KUBERNETES}-{digest.hexdigest()[:12]}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` as a lock between processes; waits while another one holds it."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(home: Path, environ: Mapping[str, str], say: Say) -> None:
    source = _source(environ)
    with tempfile.TemporaryDirectory(dir=home, prefix="making-") as beside:
        folder = Path(beside) / "bin"
        folder.mkdir()
        source(folder, environ, say)
        lacking = absent(folder)
        if lacking:
            raise FixtureError(f"{folder} was made without {', '.join(lacking)}")
        shutil.rmtree(home / "bin", ignore_errors=True)
        folder.rename(home / "bin")


def _source(environ: Mapping[str, str]) -> Callable[[Path, Mapping[str, str], Say], None]:
    if shutil.which("go", path=environ.get("PATH")):
        return _build
    if docker_engine(environ):
        return _take_from_images
    raise MissingTool(
        "The control plane needs Go (https://go.dev/dl, 1.26 or newer; builds it once in about six minutes), "
        "or KUBEBUILDER_ASSETS with " + ", ".join(PROGRAMS) + ", or a Docker engine."
    )


def docker_engine(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a Docker *engine* answers; a client alone does not count."""
    docker = shutil.which("docker", path=environ.get("PATH"))
    if docker is None:
        return False
    try:
        asked = subprocess.run(
            [docker, "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            timeout=20,
            check=False,
            env=dict(environ),
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0 and bool(asked.stdout.strip())


def _build(folder: Path, environ: Mapping[str, str], say: Say) -> None:
    say(f"building Kubernetes {KUBERNETES}, etcd, kwok and helm from Go modules; about six minutes, once")
    env = {**environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    for build in GO_BUILDS:
        say(f"  go build {build.package}")
        command = ["go", "build", "-trimpath", "-ldflags", build.ldflags, "-o", str(folder / build.name), build.package]
        _run(command, env, cwd=BUILD / build.module)


def _take_from_images(folder: Path, environ: Mapping[str, str], say: Say) -> None:
    for name, (image, path) in IMAGES.items():
        say(f"  taking {name} out of {image}")
        container = _run(["docker", "create", image], environ).strip()
        try:
            _run(["docker", "cp", f"{container}:{path}", str(folder / name)], environ)
        finally:
            _run(["docker", "rm", container], environ)


def _run(command: list[str], environ: Mapping[str, str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=dict(environ), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FixtureError(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def main() -> int:
    """Make the folder ready and print it; progress goes to standard error."""
    try:
        print(binaries(say=lambda line: print(line, file=sys.stderr, flush=True)))
    except FixtureError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
