"""The pictures of the documentation, taken of the page itself: `python -m tests.web.screenshots [FOLDER]`; those of
the list of incidents and of the report are taken of a demo, by `tests.demo.screenshots`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.controlplane.browser import browser
from tests.web.memory import furnished
from tests.web.served import served

SHOTS = [
    ("page-incident", "/incidents/INC-2041", "light", 1280, 1250),
    ("page-incident", "/incidents/INC-2041", "dark", 1280, 1250),
    ("page-incident", "/incidents/INC-2041", "light", 320, 1250),
    ("page-incident", "/incidents/INC-2041", "dark", 320, 1250),
    ("page-review", "/review", "dark", 1280, 720),
    ("page-services", "/services", "light", 1280, 1000),
    ("page-service", "/services/shop/Deployment/checkout", "light", 1280, 1190),
    ("page-service", "/services/shop/Deployment/checkout", "dark", 1280, 1190),
]
"""Name, path, theme, width and height."""


def main(folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with served(furnished()) as server, browser() as chromium:
        for name, path, theme, width, height in SHOTS:
            context = chromium.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if theme == "dark" else "light",
                base_url=server.url,
            )
            page = context.new_page()
            page.goto("/login")
            page.get_by_label("Kubernetes token").fill("token-of-mara")
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{server.url}/")
            page.goto(path)
            page.wait_for_load_state("load")
            page.screenshot(path=folder / f"{name}-{theme}-{width}.png")
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs" / "assets")
