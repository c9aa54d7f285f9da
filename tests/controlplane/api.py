"""A plain JSON client of the API server, for arranging and for judging.

On purpose not the client that trimtab uses: what judges must not share the faults of what is judged. Objects are dicts.
"""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

Json = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

BUSY = (0.5, 1.0, 2.0, 4.0)
"""Pauses while the storage of a new kind initializes."""


class ApiError(Exception):
    """The API server answered with an error: `code`, `reason` and its message."""

    def __init__(self, code: int, reason: str, message: str, body: Json, retry_after: str | None = None) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.body = body
        self.retry_after = retry_after


class Api:
    """The API server as the user of a kubeconfig, beside which it keeps the certificates."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"]
        self._folder = kubeconfig.with_suffix(".d")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = self._file("ca", cluster["certificate-authority-data"])
        if "token" in user:
            self._session.headers["Authorization"] = f"Bearer {user['token']}"
        else:
            self._session.cert = (
                self._file("crt", user["client-certificate-data"]),
                self._file("key", user["client-key-data"]),
            )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, version: str, resource: str, name: str, namespace: str | None = None, sub: str = "") -> Json:
        """One object; `ApiError` 404 when there is none."""
        return self.request("GET", url(version, resource, name, namespace, sub))

    def find(self, version: str, resource: str, name: str, namespace: str | None = None) -> Json | None:
        """One object, or None."""
        try:
            return self.get(version, resource, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, version: str, resource: str, namespace: str | None = None, selector: str = "") -> list[Json]:
        """The objects, of one namespace or of all."""
        params = {"labelSelector": selector} if selector else {}
        items: list[Json] = self.request("GET", url(version, resource, None, namespace), params=params)["items"]
        return items

    def create(self, body: Json, namespace: str | None = None, **params: str) -> Json:
        """Create `body`; the resource's plural is looked up by its kind."""
        resource = self.plural(body["apiVersion"], body["kind"])
        return self.request("POST", url(body["apiVersion"], resource, None, namespace), body, params=params)

    def replace(self, version: str, resource: str, body: Json, sub: str = "", **params: str) -> Json:
        """Replace the object that `body` names."""
        meta = body["metadata"]
        return self.request(
            "PUT", url(version, resource, meta["name"], meta.get("namespace"), sub), body, params=params
        )

    def patch(
        self,
        version: str,
        resource: str,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        sub: str = "",
        kind: str = MERGE_PATCH,
        **params: str,
    ) -> Json:
        """Patch one object; `kind` is the content type."""
        return self.request("PATCH", url(version, resource, name, namespace, sub), body, kind=kind, params=params)

    def delete(self, version: str, resource: str, name: str, namespace: str | None = None, **params: str) -> Json:
        """Delete one object."""
        return self.request("DELETE", url(version, resource, name, namespace), params=params)

    def watch(self, version: str, resource: str, namespace: str | None = None, **params: str) -> Iterator[Json]:
        """The events of one watch request, until the server or `timeoutSeconds` ends it."""
        asked = {"watch": "true", **params}
        target = self.server + url(version, resource, None, namespace)
        with self._session.get(target, params=asked, stream=True, timeout=(5, 90)) as answer:
            _raise_for(answer)
            for line in answer.iter_lines():
                yield json.loads(line)

    def plural(self, version: str, kind: str) -> str:
        """The resource name of a kind, asked of the server."""
        found = self.request("GET", "/api/v1" if version == "v1" else f"/apis/{version}")["resources"]
        names: list[str] = [entry["name"] for entry in found if entry["kind"] == kind and "/" not in entry["name"]]
        if not names:
            raise ApiError(404, "NotFound", f"the server knows no {kind} in {version}", {})
        return names[0]

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        params: dict[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Json:
        """Any request; the decoded answer, or `ApiError`. Sent again while the storage of a new kind initializes."""

        def send() -> requests.Response:
            return self._session.request(
                method,
                self.server + path,
                params=params,
                data=None if body is None else json.dumps(body),
                headers={"Content-Type": kind} if body is not None else {},
                timeout=timeout,
            )

        answer = send()
        for pause in BUSY:
            if answer.status_code != 429 or "initializing" not in answer.text:
                break
            time.sleep(pause)
            answer = send()
        _raise_for(answer)
        decoded: Json = answer.json() if answer.content and "json" in answer.headers["Content-Type"] else {}
        return decoded

    def _file(self, name: str, data: str) -> str:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(data))
        return str(path)


def url(version: str, resource: str, name: str | None, namespace: str | None, sub: str = "") -> str:
    """The path of a resource: `version` is `v1` or `group/version`."""
    parts = ["/api/v1" if version == "v1" else f"/apis/{version}"]
    parts += [f"namespaces/{namespace}"] if namespace else []
    parts += [part for part in (resource, name, sub) if part]
    return "/".join(parts)


def _raise_for(answer: requests.Response) -> None:
    if answer.status_code < 400:
        return
    try:
        body: Json = answer.json()
    except ValueError:
        body = {"message": answer.text}
    again = answer.headers.get("Retry-After")
    raise ApiError(answer.status_code, str(body.get("reason", "")), str(body.get("message", "")), body, again)
