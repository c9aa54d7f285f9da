"""The chart as people use it: rendered by helm, applied to a real API server with strict validation."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for
from tests.layout import ROOT

Json = dict[str, Any]
CHART = ROOT / "charts/trimtab"
ACCOUNT = ("trimtab", "trimtab")
CRD = "CustomResourceDefinition"
STANDARD_GROUPS = ["system:serviceaccounts", "system:authenticated"]


class HelmError(Exception):
    """helm refused; its words."""


class Helm:
    """The helm of `binaries`, on the chart of this checkout."""

    def __init__(self, binaries: Path) -> None:
        self._program = binaries / "helm"

    def __call__(self, *arguments: str) -> str:
        """Standard output; `HelmError` with what helm said."""
        done = subprocess.run([self._program, *arguments], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise HelmError(done.stderr)
        return done.stdout

    def render(self, values: Json | None = None, *, release: str = "trimtab", namespace: str = "trimtab") -> list[Json]:
        """Every object of the release, hooks included."""
        given = [f"--set-json={key}={json.dumps(value)}" for key, value in (values or {}).items()]
        text = self("template", release, str(CHART), "--namespace", namespace, *given)
        return [found for found in yaml.safe_load_all(text) if found]

    def notes(self, values: Json | None = None) -> str:
        """What people read after an installation."""
        given = [f"--set-json={key}={json.dumps(value)}" for key, value in (values or {}).items()]
        text = self("install", "trimtab", str(CHART), "--namespace", "trimtab", "--dry-run=client", *given)
        return text.partition("NOTES:\n")[2]


def of(objects: Iterable[Json], *kinds: str) -> list[Json]:
    """The objects of these kinds."""
    return [found for found in objects if found["kind"] in kinds]


def one(objects: Iterable[Json], kind: str, name: str | None = None) -> Json:
    """The only object of a kind, or of a kind and name."""
    (found,) = [found for found in of(objects, kind) if name in (None, found["metadata"]["name"])]
    return found


def apply(plane: ControlPlane, objects: Iterable[Json], *arguments: str) -> str:
    """Server-side apply with strict field validation."""
    text = yaml.safe_dump_all(objects)
    return plane.kubectl("apply", "--server-side", "--validate=strict", *arguments, "-f", "-", stdin=text)


def install(plane: ControlPlane, objects: Iterable[Json]) -> None:
    """Apply a release: CRDs first, as helm does; returns when they are served."""
    objects = list(objects)
    crds = of(objects, CRD)
    if crds:
        apply(plane, crds)
        for crd in crds:
            name = crd["metadata"]["name"]
            plane.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
        version = crds[0]["spec"]["versions"][0]["name"]
        path = f"/apis/{crds[0]['spec']['group']}/{version}"
        wait_for(
            "the new kinds are served",
            lambda: len([kind for kind in plane.api.request("GET", path)["resources"] if "/" not in kind["name"]]),
            until=lambda served: served >= len(crds),
        )
    hooks = [found for found in objects if "helm.sh/hook" in found["metadata"].get("annotations", {})]
    apply(plane, [found for found in objects if found["kind"] != CRD and found not in hooks])


def may(
    plane: ControlPlane, account: tuple[str, str], verb: str, resource: str, namespace: str, name: str = ""
) -> bool:
    """SubjectAccessReview for a ServiceAccount; `resource` is `group/resource[/subresource]`, group empty for core."""
    group, _, rest = resource.partition("/")
    plural, _, sub = rest.partition("/")
    attributes = {
        "verb": verb, "group": group, "resource": plural, "subresource": sub, "namespace": namespace, "name": name,
    }  # fmt: skip
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{account[0]}:{account[1]}",
            "groups": [*STANDARD_GROUPS, f"system:serviceaccounts:{account[0]}"],
            "resourceAttributes": attributes,
        },
    }
    answer = plane.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def resources(plane: ControlPlane) -> list[str]:
    """Everything the API server serves, as `group/resource[/subresource]`."""
    found = {f"/{each['name']}" for each in plane.api.request("GET", "/api/v1")["resources"]}
    for group in plane.api.request("GET", "/apis")["groups"]:
        for version in group["versions"]:
            served = plane.api.request("GET", f"/apis/{version['groupVersion']}")["resources"]
            found |= {f"{group['name']}/{each['name']}" for each in served}
    return sorted(found)
