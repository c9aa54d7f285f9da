"""The judge: what was changed in the cluster, by the API server's own account.

*Effect* and *fence* as in SAFETY.md: an effect is a successful, non-dry-run mutation of anything but leases, events,
access and token reviews, and the group trimtab.dev; a write that changes only the annotation `trimtab.dev/epoch` is a
fence.

Promises not to miss an effect: every mutation is in the log before it is carried out, and the judge waits until each
one it sees has its end. One that never ended (the API server was killed) counts as an effect with code 0: it may have
happened. Where it cannot be shown that a write changed nothing but the epoch, it is an effect.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

EPOCH = "trimtab.dev/epoch"
_EPOCH_POINTER = "/metadata/annotations/trimtab.dev~1epoch"
_MUTATIONS = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_CONNECTS = frozenset({"exec", "attach", "portforward"})
_REVIEWS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
_UNJUDGED = frozenset(
    {("coordination.k8s.io", "leases"), ("", "events"), ("events.k8s.io", "events")},
)
_BOOKKEEPING = frozenset({"resourceVersion", "managedFields", "generation"})


@dataclass(frozen=True)
class Mark:
    """A place in the log: what is written later is `since` it."""

    offset: int = 0


@dataclass(frozen=True)
class Gvr:
    """Group, version and resource of what a request is about."""

    group: str
    version: str
    resource: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.group, self.version, self.resource) if part)


@dataclass(frozen=True)
class Verb:
    """One thing that was done or tried, as RBAC sees it."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str


@dataclass(frozen=True)
class Effect:
    """One write, or one fence."""

    user: str
    verb: str
    gvr: Gvr
    namespace: str
    name: str
    subresource: str
    time: datetime
    patch: Any
    response: Mapping[str, Any] | None
    code: int
    user_agent: str
    audit_id: str

    @property
    def target(self) -> str:
        """`namespace/resource/name`, for messages and comparisons."""
        resource = f"{self.gvr.resource}/{self.subresource}" if self.subresource else self.gvr.resource
        return "/".join(part for part in (self.namespace, resource, self.name) if part)


class Unsettled(Exception):
    """Requests are still under way after the time the judge was given."""


class AuditEvent:
    """One line of the log, read carefully."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        ref = raw.get("objectRef") or {}
        self.audit_id = str(raw["auditID"])
        self.stage = str(raw["stage"])
        self.verb = str(raw["verb"])
        self.user = str((raw.get("user") or {}).get("username", ""))
        self.impersonated = str((raw.get("impersonatedUser") or {}).get("username", ""))
        self.code = int((raw.get("responseStatus") or {}).get("code", 0))
        self.about_object = bool(ref)
        self.gvr = Gvr(str(ref.get("apiGroup", "")), str(ref.get("apiVersion", "")), str(ref.get("resource", "")))
        self.namespace = str(ref.get("namespace", ""))
        self.name = str(ref.get("name", ""))
        self.subresource = str(ref.get("subresource", ""))
        self.request = raw.get("requestObject")
        self.response: Mapping[str, Any] | None = raw.get("responseObject")
        self.time = datetime.fromisoformat(raw.get("stageTimestamp") or raw["requestReceivedTimestamp"])
        self.decision = (raw.get("annotations") or {}).get("authorization.k8s.io/decision", "")

    @property
    def judged(self) -> bool:
        """Whether it is a kind of request that can be an effect at all."""
        if not self.about_object:
            return False
        if (
            self.gvr.group == "trimtab.dev"
            or self.gvr.group in _REVIEWS
            or (self.gvr.group, self.gvr.resource) in _UNJUDGED
        ):
            return False
        return self.verb in _MUTATIONS or (self.verb == "get" and self.subresource in _CONNECTS)

    @property
    def dry_run(self) -> bool:
        """Asked in the address, or in the body of a delete or an eviction."""
        address = str(self.raw.get("requestURI", ""))
        if "dryRun=" in address.partition("?")[2]:
            return True
        if not isinstance(self.request, Mapping):
            return False
        options = self.request.get("deleteOptions") or {}
        return bool(options.get("dryRun")) or (
            self.request.get("kind") == "DeleteOptions" and bool(self.request.get("dryRun"))
        )

    @property
    def succeeded(self) -> bool:
        """Whether it changed, or may have changed, what is stored."""
        return self.code in {0, 101} or 200 <= self.code < 300


class AuditLog:
    """The log file of one API server."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> Mark:
        """Here: later requests are `since` it."""
        return Mark(self.path.stat().st_size if self.path.exists() else 0)

    def events(self, since: Mark | None = None) -> Iterator[AuditEvent]:
        """The whole lines written since `since`."""
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek((since or Mark()).offset)
            for line in log:
                if line.endswith(b"\n"):
                    yield AuditEvent(json.loads(line))

    def settled(self, since: Mark | None = None, within: float = 5.0) -> list[AuditEvent]:
        """The last word on each request since `since`, once every mutation among them has ended.

        A mutation without an end after `within` seconds stays, with code 0.
        """
        deadline = time.monotonic() + within
        while True:
            last, open_ = _last_words(self.events(since))
            if not open_ or time.monotonic() > deadline:
                return last
            time.sleep(0.02)


def _last_words(events: Iterable[AuditEvent]) -> tuple[list[AuditEvent], set[str]]:
    last: dict[str, AuditEvent] = {}
    for event in events:
        last[event.audit_id] = event
    still_open = {key for key, event in last.items() if event.stage == "RequestReceived" and event.judged}
    return list(last.values()), still_open


def effects(
    audit: AuditLog, *, since: Mark | None = None, user: str | None = None, namespace: str | None = None
) -> list[Effect]:
    """What was changed since `since`, by `user` (everyone without), in `namespace` (anywhere without)."""
    return [_effect(event) for event, fence in _writes(audit, since, user, namespace) if not fence]


def fences(
    audit: AuditLog, *, since: Mark | None = None, user: str | None = None, namespace: str | None = None
) -> list[Effect]:
    """The writes of nothing but the annotation `trimtab.dev/epoch`."""
    return [_effect(event) for event, fence in _writes(audit, since, user, namespace) if fence]


def denied(audit: AuditLog, user: str, *, since: Mark | None = None) -> list[Verb]:
    """What RBAC refused `user` (403), in order, repeats included."""
    return [_verb(event) for event in audit.settled(since) if _by(event, user) and event.decision == "forbid"]


def used_verbs(audit: AuditLog, user: str, *, since: Mark | None = None) -> set[Verb]:
    """Every right that `user` made use of: allowed, whatever came of it. Without an object the address counts."""
    return {_verb(event) for event in audit.settled(since) if _by(event, user) and event.decision == "allow"}


def _by(event: AuditEvent, user: str | None) -> bool:
    return user is None or user in {event.user, event.impersonated}


def _writes(
    audit: AuditLog, since: Mark | None, user: str | None, namespace: str | None
) -> Iterator[tuple[AuditEvent, bool]]:
    for event in audit.settled(since):
        wanted = _by(event, user) and (namespace is None or event.namespace == namespace)
        if wanted and event.judged and event.succeeded and not event.dry_run:
            yield event, _is_fence(event, audit)


def _verb(event: AuditEvent) -> Verb:
    if not event.about_object:
        return Verb(event.verb, "", str(event.raw.get("requestURI", "")).partition("?")[0], "", "")
    return Verb(event.verb, event.gvr.group, event.gvr.resource, event.subresource, event.namespace)


def _effect(event: AuditEvent) -> Effect:
    name = event.name or str(((event.response or {}).get("metadata") or {}).get("name", ""))
    return Effect(
        user=event.impersonated or event.user,
        verb=event.verb,
        gvr=event.gvr,
        namespace=event.namespace,
        name=name,
        subresource=event.subresource,
        time=event.time,
        patch=event.request,
        response=event.response,
        code=event.code,
        user_agent=str(event.raw.get("userAgent", "")),
        audit_id=event.audit_id,
    )


def _is_fence(event: AuditEvent, audit: AuditLog) -> bool:
    """Whether the write is shown to have changed nothing but the epoch."""
    if event.subresource or event.response is None or EPOCH not in _annotations(event.response):
        return False
    if event.verb == "patch" and _names_only_the_epoch(event.request):
        return True
    if event.verb in {"patch", "update"}:
        before = _before(event, audit)
        return before is not None and _without_epoch(before) == _without_epoch(event.response)
    return False


def _names_only_the_epoch(patch: Any) -> bool:
    """A patch whose every change is of the one annotation; preconditions do not count."""
    if isinstance(patch, list):
        changes = [step for step in patch if step.get("op") != "test"]
        return bool(changes) and all(
            step.get("op") in {"add", "replace"} and step.get("path") == _EPOCH_POINTER for step in changes
        )
    if not isinstance(patch, Mapping) or set(patch) - {"apiVersion", "kind", "metadata"}:
        return False
    metadata = patch.get("metadata") or {}
    locks = {"name", "namespace", "uid", "resourceVersion", "annotations"}
    return not set(metadata) - locks and set(metadata.get("annotations") or {}) == {EPOCH}


def _before(event: AuditEvent, audit: AuditLog) -> Mapping[str, Any] | None:
    """The object before this write, if an earlier answer in the log shows exactly the version it was locked to."""
    uid, version = _uid(event.response), _locked_version(event.request)
    if not uid or not version:
        return None
    for earlier in audit.events():
        if earlier.audit_id == event.audit_id:
            return None
        metadata = (earlier.response or {}).get("metadata") or {}
        if metadata.get("uid") == uid and metadata.get("resourceVersion") == version:
            return earlier.response
    return None


def _locked_version(request: Any) -> str:
    if isinstance(request, list):
        tests = {step.get("path"): step.get("value") for step in request if step.get("op") == "test"}
        return str(tests.get("/metadata/resourceVersion") or "")
    return str(((request or {}).get("metadata") or {}).get("resourceVersion", ""))


def _uid(found: Mapping[str, Any] | None) -> str:
    return str(((found or {}).get("metadata") or {}).get("uid", ""))


def _annotations(found: Mapping[str, Any]) -> Mapping[str, str]:
    return (found.get("metadata") or {}).get("annotations") or {}


def _without_epoch(found: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in (found.get("metadata") or {}).items() if key not in _BOOKKEEPING}
    metadata["annotations"] = {key: value for key, value in _annotations(found).items() if key != EPOCH}
    rest = {key: value for key, value in found.items() if key not in {"metadata", "apiVersion", "kind"}}
    return {**rest, "metadata": metadata}
