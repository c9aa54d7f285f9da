"""A proxy before the API server that carries no change of a workload out, and answers as if it had."""

from typing import Any

import aiohttp
import yarl
from aiohttp import web

from tests.controlplane.proxy import ApiServerProxy


class SuppressingProxy(ApiServerProxy):
    """While `suppress` is on, a PATCH of apps/v1 becomes a dry run: the real answer, and nothing is stored."""

    suppress = False

    async def _behind(self, request: web.Request, headers: dict[str, str] | None = None) -> aiohttp.ClientResponse:
        if not (self.suppress and request.method == "PATCH" and request.path.startswith("/apis/apps/v1/")):
            return await super()._behind(request, headers)
        passed = {name: value for name, value in request.headers.items() if name.lower() in _PASSED}
        url = yarl.URL(self.target + request.raw_path, encoded=True).update_query(dryRun="All")
        body: Any = await request.read()
        return await self._client.request(request.method, url, headers=passed, data=body, allow_redirects=False)


_PASSED = frozenset({"authorization", "content-type", "accept", "user-agent"})
