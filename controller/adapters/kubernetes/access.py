"""The Access port on a real API server: TokenReview, SubjectAccessReview, SelfSubjectAccessReview.

Promises that only the server's own, explicit yes is a yes; a review that is itself refused raises `Denied`. Reviews are
asked by POST and store nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.adapters.kubernetes.answers import demand
from controller.adapters.kubernetes.client import Api, path_of
from controller.ports import Person, ResourceKind

TOKENS = ResourceKind("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
SUBJECTS = ResourceKind("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False)
SELVES = ResourceKind(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
MYSELF = ResourceKind("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False)
RULES = ResourceKind(
    "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False
)


class KubernetesAccess:
    """Asks through one `Api`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def who(self, token: str) -> Person | None:
        """The person behind a token, None when the server does not vouch for it."""
        if not token:
            return None
        status = await self._review(TOKENS, {"token": token})
        user = status.get("user") or {}
        if status.get("authenticated") is not True or not user.get("username"):
            return None
        return Person(str(user["username"]), tuple(user.get("groups") or ()))

    async def may(self, person: Person, verb: str, kind: ResourceKind, namespace: str | None, name: str = "") -> bool:
        """Whether that person may. One without a name is nobody, and may nothing."""
        if not person.name:
            return False
        asked = {"user": person.name, "groups": list(person.groups)}
        attributes = attributes_of(verb, kind, namespace, name=name)
        return allowed(await self._review(SUBJECTS, {**asked, "resourceAttributes": attributes}))

    async def self_may(
        self, verb: str, kind: ResourceKind, namespace: str | None, subresource: str = "", name: str = ""
    ) -> bool:
        """Whether trimtab's own account may (on the object of that name, where one is given)."""
        attributes = attributes_of(verb, kind, namespace, name=name, subresource=subresource)
        return allowed(await self._review(SELVES, {"resourceAttributes": attributes}))

    async def me(self) -> Person:
        """Whoever this connection speaks as."""
        user = (await self._review(MYSELF, {})).get("userInfo") or {}
        return Person(str(user.get("username") or ""), tuple(user.get("groups") or ()))

    async def my_rules(self, namespace: str) -> tuple[Mapping[str, Any], ...] | None:
        """Every rule that lets this connection do something in a namespace; None when the server cannot say all."""
        status = await self._review(RULES, {"namespace": namespace})
        return None if status.get("incomplete") else tuple(status.get("resourceRules") or ())

    async def _review(self, kind: ResourceKind, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        path = path_of(kind, None)
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": dict(spec)}
        status = demand("create", path, await self._api.send("POST", path, body)).body.get("status")
        return status or {}


def allowed(status: Mapping[str, Any]) -> bool:
    """A yes that nothing contradicts."""
    return status.get("allowed") is True and not status.get("denied")


def attributes_of(
    verb: str, kind: ResourceKind, namespace: str | None, name: str = "", subresource: str = ""
) -> dict[str, str]:
    """The question's attributes. An empty namespace asks for all namespaces, or for a kind that has none."""
    return {
        "verb": verb,
        "group": kind.group,
        "version": kind.version,
        "resource": kind.plural,
        "subresource": subresource,
        "namespace": namespace or "",
        "name": name,
    }
