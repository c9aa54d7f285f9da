"""Pod templates: which are the same, what differs between two, and which differences are for a person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from remediations.cluster import Object, World
from remediations.owners import controlled_by
from remediations.pointer import same, without_nulls

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_PRIVILEGED = frozenset(
    {
        "serviceAccountName",
        "serviceAccount",
        "automountServiceAccountToken",
        "volumes",
        "securityContext",
        "shareProcessNamespace",
        "imagePullSecrets",
        "nodeName",
        "runtimeClassName",
    }
)


def without_hash(template: Object) -> dict[str, Any]:
    """A copy of a ReplicaSet's template as its Deployment would hold it: without the label `pod-template-hash`."""
    plain: dict[str, Any] = json.loads(json.dumps(template))
    ((plain.get("metadata") or {}).get("labels") or {}).pop(HASH_LABEL, None)
    return plain


def same_template(one: Object, other: Object) -> bool:
    """Whether two templates have one digest, without making it. Reads both, copies neither."""
    return same(_hashless(one), _hashless(other))


def _hashless(template: Object) -> Object:
    """The template with another head; everything below is shared with it."""
    metadata = template.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if HASH_LABEL not in labels:
        return template
    kept = {key: value for key, value in labels.items() if key != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": kept}}


def digest(template: Object) -> str:
    """SHA-256 (12 hex digits) over a template without its hash label and without null members: equal exactly when it
    is the same.
    """
    text = json.dumps(without_nulls(without_hash(template)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def current_replica_set(world: World) -> Object | None:
    """The ReplicaSet of the Deployment's present template, None while it is not yet there (and for other kinds)."""
    if "current_replica_set" not in world.worked_out:
        world.worked_out["current_replica_set"] = _current_replica_set(world)
    found: Object | None = world.worked_out["current_replica_set"]
    return found


def _current_replica_set(world: World) -> Object | None:
    wanted = world.object["spec"]["template"]
    ours = [
        rs
        for rs in world.replica_sets
        if controlled_by(rs, world.uid) and same_template(rs["spec"]["template"], wanted)
    ]
    return min(ours, key=lambda rs: str(rs["metadata"].get("creationTimestamp") or ""), default=None)


def pods_of(world: World, owner_uid: str) -> tuple[Object, ...]:
    """The pods that the object with this uid controls."""
    return tuple(pod for pod in world.pods if controlled_by(pod, owner_uid))


def containers(template: Object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every container with the list it stands in."""
    spec = template.get("spec") or {}
    for where in _CONTAINER_LISTS:
        for container in spec.get(where) or ():
            yield where, container


def images(template: Object) -> dict[str, str]:
    """Image by container name."""
    return {str(container["name"]): str(container.get("image") or "") for _, container in containers(template)}


def tag(image: str) -> str:
    """What people call the version of an image: its tag, else the start of its digest, else `latest`."""
    name, _, checksum = image.partition("@")
    last = name.rpartition("/")[2]
    if ":" in last:
        return last.partition(":")[2]
    return checksum[:19] if checksum else "latest"


def version_names(before: Object, after: Object) -> tuple[str, str]:
    """The tags that tell two templates apart: of the first container whose image differs, else of the first one."""
    old, new = images(before), images(after)
    differing = [name for name in new if name in old and old[name] != new[name]]
    first = (differing or [name for name in new if name in old] or [""])[0]
    return tag(old.get(first, "")), tag(new.get(first, ""))


def configuration(template: Object) -> tuple[str, ...]:
    """The ConfigMaps and Secrets that the template names, sorted: `ConfigMap app`, `Secret db`."""
    return tuple(sorted(set(_configuration(template.get("spec") or {}))))


def _configuration(spec: dict[str, Any]) -> Iterator[str]:
    for _, container in containers({"spec": spec}):
        for source in container.get("envFrom") or ():
            yield from _named(source.get("configMapRef"), source.get("secretRef"))
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            yield from _named(source.get("configMapKeyRef"), source.get("secretKeyRef"))
    for volume in spec.get("volumes") or ():
        projected = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for source in projected:
            yield from _named(source.get("configMap"), source.get("secret"))


def _named(config_map: dict[str, Any] | None, secret: dict[str, Any] | None) -> Iterator[str]:
    if config_map and config_map.get("name"):
        yield f"ConfigMap {config_map['name']}"
    if secret and (secret.get("name") or secret.get("secretName")):
        yield f"Secret {secret.get('name') or secret.get('secretName')}"


def changed_fields(before: Object, after: Object) -> tuple[str, ...]:
    """What differs, in words of people: `image`, `env LOG_LEVEL`, `resources`, `annotation team`, `volumes`."""
    found = [*_changed_containers(before, after), *_changed_metadata(before, after), *_changed_spec(before, after)]
    return tuple(dict.fromkeys(found))


def _changed_containers(before: Object, after: Object) -> Iterator[str]:
    old = {(where, c["name"]): c for where, c in containers(before)}
    new = {(where, c["name"]): c for where, c in containers(after)}
    several = len(old.keys() | new.keys()) > 1
    for key in sorted(old.keys() | new.keys()):
        of = f" of {key[1]}" if several else ""
        if key not in old or key not in new:
            yield f"container {key[1]} {'comes back' if key in new else 'goes'}"
            continue
        for field in _keys_that_differ(old[key], new[key]):
            if field == "env":
                yield from (f"env {name}{of}" for name in _variables_that_differ(old[key], new[key]))
            else:
                yield f"{field}{of}"


def _variables_that_differ(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    old = {str(v["name"]): v for v in before.get("env") or ()}
    new = {str(v["name"]): v for v in after.get("env") or ()}
    return _keys_that_differ(old, new) or ["order"]


def _changed_metadata(before: Object, after: Object) -> Iterator[str]:
    for field, word in (("labels", "label"), ("annotations", "annotation")):
        old = ((before.get("metadata") or {}).get(field)) or {}
        new = ((after.get("metadata") or {}).get(field)) or {}
        yield from (f"{word} {key}" for key in _keys_that_differ(old, new) if key != HASH_LABEL)


def _changed_spec(before: Object, after: Object) -> Iterator[str]:
    for field in _keys_that_differ(before.get("spec") or {}, after.get("spec") or {}):
        if field not in _CONTAINER_LISTS:
            yield field


def _keys_that_differ(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if not same(before.get(key), after.get(key)))


def privileged_changes(before: Object, after: Object) -> tuple[str, ...]:
    """The differences that could give pods more rights: service account, volumes, host*, security contexts, host ports,
    another Secret read by a variable. The chart's admission policy refuses no less.

    An absent field and an empty one are the same. A container that comes or goes counts when it has a security
    context or a host port.
    """
    old, new = before.get("spec") or {}, after.get("spec") or {}
    fields = sorted(key for key in old.keys() | new.keys() if key in _PRIVILEGED or key.startswith("host"))
    found = [field for field in fields if not _alike(old.get(field), new.get(field))]
    was, will = _container_rights(before), _container_rights(after)
    found += [
        f"{field} of {name}"
        for name, field in sorted(was.keys() | will.keys())
        if not _alike(was.get((name, field)), will.get((name, field)))
    ]
    found += sorted(_read_by_variables(after) - _read_by_variables(before))
    return tuple(found)


def _read_by_variables(template: Object) -> set[str]:
    spec = {field: items for field, items in (template.get("spec") or {}).items() if field != "volumes"}
    return {name for name in _configuration(spec) if name.startswith("Secret ")}


def _container_rights(template: Object) -> dict[tuple[str, str], Any]:
    rights: dict[tuple[str, str], Any] = {}
    for _, container in containers(template):
        name = str(container["name"])
        rights[name, "securityContext"] = container.get("securityContext")
        rights[name, "hostPort"] = [p["hostPort"] for p in container.get("ports") or () if p.get("hostPort")]
    return rights


def _alike(one: Any, other: Any) -> bool:
    return same(one or None, other or None)
