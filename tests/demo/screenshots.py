"""The documentation's pictures of whole pages, taken of a demo that was played to its end: one morning, as it happened.

`python -m tests.demo.screenshots [FOLDER]`; the pictures of single incidents and services are those of
`tests.web.screenshots`.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.demo.audience import Place
from controller.demo.run import Wishes, play
from tests.controlplane.browser import browser
from tests.demo.watchers import Watcher

SHOTS = [
    ("page-incidents", "/", "light", 1280, 620),
    ("page-report", "/report", "light", 1280, 1150),
]
"""Name, path, theme, width and height."""


@dataclass
class Photographer(Watcher):
    """Waits until everything is over and the page stays."""

    place: asyncio.Future[Place] = field(default_factory=asyncio.Future)

    def stays(self, place: Place) -> None:
        self.place.set_result(place)


def taken(place: Place, folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with browser() as chromium:
        for name, path, theme, width, height in SHOTS:
            context = chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light"
            )
            page = context.new_page()
            page.goto(place.link(path))
            page.wait_for_load_state("load")
            page.screenshot(path=folder / f"{name}-{theme}-{width}.png")
            context.close()


async def main(folder: Path) -> None:
    """Play, take the pictures, end."""
    stop, photographer = asyncio.Event(), Photographer()
    playing = asyncio.create_task(play(Wishes(approve_all=True), photographer, stop))
    awaited: set[asyncio.Future[Any]] = {playing, photographer.place}
    await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
    if not playing.done():
        await asyncio.to_thread(taken, photographer.place.result(), folder)
    stop.set()
    await playing


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs" / "assets"))
