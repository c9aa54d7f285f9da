"""The programs come from where they should, whole or not at all, and their absence is one clear sentence."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.controlplane import fixtures, provider
from tests.controlplane.errors import FixtureError, MissingTool


def _fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in provider.PROGRAMS:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def without_tools(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty cache, in which neither Go nor Docker is found."""
    return {"TRIMTAB_CACHE": str(tmp_path / "cache"), "PATH": str(tmp_path / "nothing"), "HOME": str(tmp_path)}


def _go(folder: Path, script: str) -> str:
    """A PATH whose `go` is this shell script (with the last argument but one, the output file, as $out)."""
    folder.mkdir(exist_ok=True)
    go = folder / "go"
    go.write_text(f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done; out="$2"\n{script}\n')
    go.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_complete_assets_come_first(tmp_path: Path, without_tools: dict[str, str]) -> None:
    assets = _fill(tmp_path / "assets")

    assert provider.binaries({**without_tools, "KUBEBUILDER_ASSETS": str(assets)}) == assets


def test_assets_that_lack_a_program_are_named_and_passed_over(tmp_path: Path, without_tools: dict[str, str]) -> None:
    assets = _fill(tmp_path / "assets")
    (assets / "kwok").unlink()
    cached = _fill(tmp_path / "cache" / "controlplane" / provider.version() / "bin")
    said: list[str] = []

    assert provider.binaries({**without_tools, "KUBEBUILDER_ASSETS": str(assets)}, said.append) == cached
    assert "lacks kwok" in said[0]


def test_without_any_source_one_sentence_says_what_to_do(without_tools: dict[str, str]) -> None:
    with pytest.raises(MissingTool, match=r"needs Go .*, or KUBEBUILDER_ASSETS with etcd, .*, or a Docker engine\.$"):
        provider.binaries(without_tools)


def test_a_docker_client_without_an_engine_does_not_count(tmp_path: Path, without_tools: dict[str, str]) -> None:
    docker = tmp_path / "nothing" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    docker.chmod(0o755)

    assert not provider.docker_engine(without_tools)


def test_two_builds_at_once_build_once(tmp_path: Path, without_tools: dict[str, str]) -> None:
    record = tmp_path / "record"
    path = _go(tmp_path / "gobin", f'echo x >> {record}; sleep 0.05; echo "#!/bin/sh" > "$out"; chmod +x "$out"')
    environ = {**without_tools, "PATH": path}
    answers: list[Path] = []
    threads = [threading.Thread(target=lambda: answers.append(provider.binaries(environ))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(answers)) == 1
    assert provider.absent(answers[0]) == ()
    assert len(record.read_text().split()) == len(provider.PROGRAMS)


def test_a_build_that_breaks_off_leaves_nothing_behind(tmp_path: Path, without_tools: dict[str, str]) -> None:
    path = _go(
        tmp_path / "gobin", 'case "$out" in */kwok) echo "no space left" >&2; exit 1;; esac; cp /bin/true "$out"'
    )
    with pytest.raises(FixtureError, match="no space left"):
        provider.binaries({**without_tools, "PATH": path})

    home = tmp_path / "cache" / "controlplane" / provider.version()
    assert [entry.name for entry in home.iterdir()] == ["lock"]


def test_versions_are_those_of_the_locked_modules() -> None:
    modules = (provider.BUILD / "kubernetes" / "go.mod").read_text()
    wanted = {
        "go.etcd.io/etcd/server/v3": provider.ETCD,
        "k8s.io/kubernetes": provider.KUBERNETES,
        "sigs.k8s.io/kwok": provider.KWOK,
    }
    for module, version in wanted.items():
        assert re.search(rf"^\s*{re.escape(module)} {re.escape(version)}( // indirect)?$", modules, re.MULTILINE)
    assert f"helm.sh/helm/v4 {provider.HELM}" in (provider.BUILD / "helm" / "go.mod").read_text()


@pytest.mark.controlplane
def test_what_was_built_is_what_was_asked_for() -> None:
    folder = fixtures.need(provider.binaries)

    asked = {
        "kube-apiserver": provider.KUBERNETES,
        "kwok": "",
        "etcd": provider.ETCD.removeprefix("v"),
        "helm": provider.HELM.rpartition(".")[0],
    }
    for name, version in asked.items():
        command = [folder / name, "version" if name == "helm" else "--version"]
        assert version in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    printed = subprocess.run(
        [sys.executable, "-m", "tests.controlplane.provider"], capture_output=True, text=True, check=True
    ).stdout
    assert Path(printed.strip()) == folder


def _absent() -> Path:
    raise MissingTool("Chromium is not here: apt-get install chromium.")


@pytest.mark.parametrize("outcome", [pytest.skip.Exception, pytest.fail.Exception], ids=["skip", "fail"])
def test_a_missing_tool_skips_and_on_ci_fails(monkeypatch: pytest.MonkeyPatch, outcome: type[BaseException]) -> None:
    monkeypatch.setenv("CI", "true" if outcome is pytest.fail.Exception else "")

    with pytest.raises(outcome, match=r"^Chromium is not here: apt-get install chromium\.$"):
        fixtures.need(_absent)


def test_the_cache_lies_outside_the_clone(tmp_path: Path) -> None:
    assert provider.cache_folder({"TRIMTAB_CACHE": "/a"}) == Path("/a")
    assert provider.cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/trimtab")
    assert provider.cache_folder({"HOME": "/c"}) == Path("/c/.cache/trimtab")
