"""The far end of the Kubernetes API for the scale bench: lists in pages, watches, Leases, reviews, statuses.

Keeps no schema and checks no right: it is there so that the shipped program runs unchanged, with its own client, and
not to be tested against. Its time and memory are not counted.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from bench.scale.objects import Object, touched

QUIET: Final = 30.0
"""Seconds between two bookmarks on a quiet watch."""
BEAT: Final = 1.0
RESTLESS: Final = 300
"""One pod of so many has its status written each second."""

PATH: Final = re.compile(
    r"^/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]+))?/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)


class Objects:
    """Everything by kind and place; every watch of a kind hears of each change."""

    def __init__(self, objects: Iterable[tuple[str, Object]], seed: int) -> None:
        self.version = 1
        self.kinds: dict[str, dict[tuple[str, str], Object]] = defaultdict(dict)
        self.heard: dict[str, list[asyncio.Queue[bytes]]] = defaultdict(list)
        self._chance = random.Random(seed)
        for plural, item in objects:
            self.put(plural, item)

    def put(self, plural: str, item: Object) -> Object:
        """Store it under a new version and tell its watches."""
        self.version += 1
        item["metadata"] = {**item["metadata"], "resourceVersion": str(self.version)}
        item["metadata"].setdefault("uid", f"uid-{self.version}")
        place = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
        known = place in self.kinds[plural]
        self.kinds[plural][place] = item
        line = told("MODIFIED" if known else "ADDED", item)
        for queue in self.heard[plural]:
            queue.put_nowait(line)
        return item

    def restless(self) -> None:
        """A few pods have their status written, as it goes in every cluster."""
        pods = self.kinds["pods"]
        for place in self._chance.sample(sorted(pods), len(pods) // RESTLESS):
            self.put("pods", touched(pods[place], datetime.now(UTC)))


def told(kind: str, item: Object) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def routes(objects: Objects) -> list[web.RouteDef]:
    """The API under `/api` and `/apis`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await answered(objects, request)

    return [web.route("*", f"/{root}/{{rest:.+}}", answer) for root in ("api", "apis")]


async def answered(objects: Objects, request: web.Request) -> web.StreamResponse:
    """One request."""
    match = PATH.match(request.path)
    if match is None:
        return missing(request.path)
    plural, name, namespace = match["plural"], match["name"], match["namespace"] or ""
    place = (namespace, name or "")
    kind = objects.kinds[plural]
    if request.method == "GET" and name is None:
        if request.query.get("watch") == "true":
            return await watched(objects, request, plural, float(request.query.get("timeoutSeconds", "300")))
        found = [item for (where, _), item in kind.items() if namespace in ("", where)]
        return listed(objects, found, request)
    if request.method == "GET":
        return web.json_response(kind[place]) if place in kind else missing(request.path)
    body: dict[str, Any] = await request.json()
    if plural.endswith("reviews"):
        return web.json_response({**body, "status": {"allowed": True}}, status=201)
    if request.method == "PATCH" and place in kind:
        return web.json_response(objects.put(plural, merged(kind[place], body)))
    if request.method == "PATCH":
        return missing(request.path)
    body["metadata"].setdefault("namespace", namespace)
    return web.json_response(objects.put(plural, body), status=201 if request.method == "POST" else 200)


def listed(objects: Objects, found: list[Object], request: web.Request) -> web.Response:
    """One page of a list."""
    start, size = int(request.query.get("continue") or 0), int(request.query.get("limit") or 500)
    about: dict[str, Any] = {"resourceVersion": str(objects.version)}
    if start + size < len(found):
        about["continue"] = str(start + size)
    page = [{key: item[key] for key in item if key not in ("apiVersion", "kind")} for item in found[start:][:size]]
    return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": about, "items": page})


async def watched(objects: Objects, request: web.Request, plural: str, seconds: float) -> web.StreamResponse:
    """Changes from now on. A list and its watch follow each other at once here, so that nothing lies between."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    objects.heard[plural].append(queue)
    try:
        await response.prepare(request)
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                line = await asyncio.wait_for(queue.get(), min(QUIET, left))
            except TimeoutError:
                line = told("BOOKMARK", {"metadata": {"resourceVersion": str(objects.version)}})
            await response.write(line)
    except ConnectionError:
        pass
    finally:
        objects.heard[plural].remove(queue)
    return response


def merged(before: Object, patch: Any) -> Object:
    """RFC 7386, as far as statuses and annotations need it."""
    after = dict(before)
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, dict) and isinstance(after.get(key), dict):
            after[key] = merged(after[key], value)
        else:
            after[key] = value
    return after


def missing(path: str) -> web.Response:
    """A 404 that names an object, as the API server writes it."""
    name = path.rpartition("/")[2]
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
    return web.json_response({**body, "message": f"{name} not found", "details": {"name": name}}, status=404)
