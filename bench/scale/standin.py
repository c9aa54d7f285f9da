"""`python -m bench.scale.standin`: the far ends, API server and Prometheus, in one process that is not counted.

Prints its port on one line, then serves until its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from aiohttp import web

from bench.scale.apiserver import BEAT, Objects, routes
from bench.scale.objects import cluster, services
from bench.scale.prometheus import Answers


async def serve(count: int, seed: int, days: float) -> None:
    """Until whoever started us has gone."""
    objects, answers = Objects(cluster(count, seed), seed), Answers(services(count), seed, days)
    application = web.Application(client_max_size=1 << 24)
    application.add_routes([*answers.routes(), *routes(objects)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    gone = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not gone.done():
        await asyncio.wait([gone], timeout=BEAT)
        objects.restless()
    await runner.cleanup()


def main(arguments: list[str]) -> None:
    """Serve `--services N` from `--seed N` with `--days N` of history."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale.standin")
    parser.add_argument("--services", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--days", type=float, default=14.0)
    chosen = parser.parse_args(arguments)
    asyncio.run(serve(chosen.services, chosen.seed, chosen.days))


if __name__ == "__main__":
    main(sys.argv[1:])
