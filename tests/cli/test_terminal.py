"""On a terminal: what would be changed is shown, a person is asked, and No does nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.api.crd import crds
from controller.cli.exits import Exit
from tests.controlplane.cluster import ControlPlane
from tests.layout import ROOT

pytestmark = pytest.mark.checkout


def typed(answer: bytes, kubeconfig: Path, *arguments: str) -> tuple[int, str]:
    """Run a command with a terminal for its input, on which somebody types."""
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", *arguments],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        )
        os.write(ours, answer)
        out, _ = process.communicate(timeout=60)
        return process.returncode, out
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_no_does_nothing_and_a_yes_does_it(own_control_plane: ControlPlane) -> None:

    plane = own_control_plane
    for crd in crds():
        plane.api.create(crd)
        plane.kubectl("wait", "--for=condition=Established", f"crd/{crd['metadata']['name']}", "--timeout=30s")

    code, said = typed(b"n\n", plane.kubeconfig, "pause", "--reason", "maintenance")
    assert (code, "Pause all automation (everywhere) as admin?" in said) == (Exit.FAILED, True)
    assert "nothing was done" in said
    assert plane.api.list("trimtab.dev/v1alpha1", "automationpauses") == []

    code, said = typed(b"y\n", plane.kubeconfig, "pause", "--reason", "maintenance")
    assert (code, "automation is paused" in said) == (Exit.OK, True)
    assert len(plane.api.list("trimtab.dev/v1alpha1", "automationpauses")) == 1
