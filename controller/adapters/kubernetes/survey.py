"""What the API server says of itself: its version, the kinds it serves, the policies that guard them. Reads only.

The one request that is not a read is a dry run, which the server judges and never stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.adapters.kubernetes.answers import demand, refused
from controller.adapters.kubernetes.client import Api, path_of
from controller.errors import Denied, Forbidden, KindUnknown
from controller.ports import ResourceKind

GROUP = "trimtab.dev"
OPENAPI = "/openapi/v3/apis/trimtab.dev/v1alpha1"
POLICIES = ResourceKind(
    "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
)
REMEDIATIONS = ResourceKind(GROUP, "v1alpha1", "remediations", "Remediation")


class Survey:
    """Asks through one `Api`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def version(self) -> str:
        """`1.36`."""
        body = demand("get", "/version", await self._api.get("/version")).body
        return f"{body.get('major', '?')}.{str(body.get('minor', '?')).rstrip('+')}"

    async def schemas(self) -> Mapping[str, Mapping[str, Any]] | None:
        """The served schema of each kind of the group; None when the group is not served."""
        answer = await self._api.get(OPENAPI)
        if answer.status == 404:
            return None
        found = demand("get", OPENAPI, answer).body.get("components", {}).get("schemas", {})
        return {
            known["kind"]: schema
            for schema in found.values()
            for known in schema.get("x-kubernetes-group-version-kind") or ()
            if known.get("group") == GROUP and known.get("version") == "v1alpha1"
        }

    async def policies(self) -> frozenset[str] | None:
        """Names of the admission policies; None when they may not be listed, or there is no such kind."""
        try:
            return frozenset(item["metadata"]["name"] for item in (await self._api.list(POLICIES, None))[1])
        except (Forbidden, KindUnknown):
            return None

    async def refuses_foreign_answers(self, namespace: str) -> bool | None:
        """Whether a Remediation that begins with somebody's decision is refused; dry run.

        None when this account may not create one, or the server would not say.
        """
        path = path_of(REMEDIATIONS, namespace)
        answer = await self._api.send("POST", path, FOREIGN, {"dryRun": "All", "fieldValidation": "Strict"})
        if answer.ok:
            return False
        error = refused("create", path, answer)
        if isinstance(error, Forbidden) or not isinstance(error, Denied):
            return None
        return "ValidatingAdmissionPolicy" in answer.message


FOREIGN: Mapping[str, Any] = {
    "apiVersion": REMEDIATIONS.api_version,
    "kind": REMEDIATIONS.kind,
    "metadata": {"name": "trimtab-doctor"},
    "spec": {
        "incident": "DOCTOR",
        "runbook": "doctor@1",
        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "doctor", "uid": "doctor"},
        "digest": "0" * 16,
        "expires": "2026-01-01T00:00:00Z",
        "summary": "a dry run of trimtab doctor",
        "change": [],
        "diff": "",
        "decision": {"verdict": "Approve", "digest": "0" * 16, "by": "somebody-else"},
    },
}
"""A Remediation that answers itself in another's name: what the admission policy must refuse."""
