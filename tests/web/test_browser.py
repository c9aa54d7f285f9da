"""The page as people meet it: in a real browser, in both themes, narrow and wide, with scripts and without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.core import samples
from tests.web.memory import furnished
from tests.web.served import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHECKOUT = "/services/shop/Deployment/checkout"
PATHS = [
    "/",
    "/incidents/INC-2041",
    "/incidents/INC-2036",
    "/review",
    "/services",
    CHECKOUT,
    "/services/shop/StatefulSet/invoices",
    "/report",
    "/nowhere",
]
Theme = Literal["light", "dark"]


@pytest.fixture
def page_server() -> Iterator[Served]:
    with served(furnished()) as running:
        yield running


@pytest.fixture
def still_server() -> Iterator[Served]:
    """Scripts are off."""
    with served(furnished(), scripts=False) as running:
        yield running


def open_page(chromium: Browser, server: Served, theme: Theme = "light", width: int = 1280, **options: Any) -> Page:
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=theme, base_url=server.url, **options
    )
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Kubernetes token").fill("token-of-mara")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{server.url}/")
    return page


def faults(page: Page) -> list[str]:
    """What axe finds wrong."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


@pytest.mark.parametrize(
    ("theme", "width", "scripts"),
    [
        pytest.param("light", 320, True, id="light-320"),
        pytest.param("light", 1280, True, id="light-1280"),
        pytest.param("dark", 320, True, id="dark-320"),
        pytest.param("dark", 1280, True, id="dark-1280"),
        pytest.param("light", 320, False, id="light-320-no-scripts"),
        pytest.param("dark", 1280, False, id="dark-1280-no-scripts"),
    ],
)
def test_no_page_has_an_accessibility_fault(chromium: Browser, theme: Theme, width: int, scripts: bool) -> None:
    with served(furnished(), scripts) as server:
        context = chromium.new_context(color_scheme=theme, viewport={"width": width, "height": 800})
        login = context.new_page()
        login.goto(f"{server.url}/login")
        found = {"/login": faults(login)}
        context.close()
        page = open_page(chromium, server, theme, width)
        for path in PATHS:
            page.goto(path)
            for details in page.locator("details").all():
                details.evaluate("element => { element.open = true }")
            found[path] = faults(page)
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wider > 0:
                found[path].append(f"{wider} px wider than the screen")
        page.context.close()

    assert found == {path: [] for path in ["/login", *PATHS]}


def test_with_scripts_a_chart_tells_the_values_under_the_pointer(chromium: Browser, page_server: Served) -> None:
    page = open_page(chromium, page_server)
    page.goto(CHECKOUT)
    canvas = page.locator(".chart canvas")
    canvas.wait_for()
    assert not page.locator(".chart svg.plot").is_visible()
    box = page.locator(".chart .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    legend = page.locator(".u-legend").inner_text()

    assert re.search(r"measured\W*\d+(\.\d+)?/s", legend), legend
    page.context.close()


def test_without_scripts_the_chart_is_there_all_the_same(chromium: Browser, still_server: Served) -> None:
    page = open_page(chromium, still_server)
    page.goto(CHECKOUT)

    assert page.locator(".chart svg.plot").is_visible()
    assert page.locator(".chart canvas").count() == 0
    assert "Stays under 338/s" in page.locator(".chart figcaption").inner_text()
    page.context.close()


def test_the_judge_of_accessibility_finds_a_planted_fault(chromium: Browser) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src=x><p style='color:#ddd'>faint</p></main>")

    assert {fault.partition(":")[0] for fault in faults(page)} >= {"image-alt", "color-contrast"}
    context.close()


def test_a_chosen_theme_wins_over_the_systems(chromium: Browser, still_server: Served) -> None:
    page = open_page(chromium, still_server, "light")

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = ground()
    page.get_by_role("button", name="Dark").click()
    page.locator("html[data-theme=dark]").wait_for()
    assert ground() != light
    assert faults(page) == []
    page.get_by_role("button", name="System").click()
    page.locator("html[data-theme=auto]").wait_for()
    assert ground() == light
    page.context.close()


def test_a_plan_is_approved_with_scripts_off(chromium: Browser, still_server: Served) -> None:
    page = open_page(chromium, still_server)
    page.get_by_role("link", name="Review").click()
    page.get_by_role("button", name="Approve the rollback").click()

    page.locator("h1:has-text('mara approved the rollback')").wait_for()
    assert still_server.backend.tales[-1].incident.approved is not None
    page.context.close()


def test_a_plan_is_rejected_by_keyboard_alone_with_a_reason(chromium: Browser, still_server: Served) -> None:
    page = open_page(chromium, still_server)
    page.goto("/incidents/INC-2041")
    summary = page.locator("#reject-INC-2041 summary")
    for _ in range(20):
        page.keyboard.press("Tab")
        if summary.evaluate("element => element === document.activeElement"):
            break
    outline = summary.evaluate("element => getComputedStyle(element).outlineStyle")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("v42 carries the fix")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.locator("h1:has-text('mara rejected the rollback: v42 carries the fix.')").wait_for()
    assert outline == "solid"
    page.context.close()


def test_a_rejection_without_a_reason_is_not_sent(chromium: Browser, still_server: Served) -> None:
    page = open_page(chromium, still_server)
    page.goto("/incidents/INC-2041")
    page.locator("#reject-INC-2041 summary").click()
    page.get_by_role("button", name="Reject the rollback").click()

    assert page.locator("#reason-INC-2041:invalid").count() == 1
    assert still_server.backend.tales[-1].incident.rejected is None
    page.context.close()


def test_the_page_is_live_and_keeps_what_is_being_written(chromium: Browser, page_server: Served) -> None:
    page = open_page(chromium, page_server)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto("/incidents/INC-2041")
    page.locator("#reject-INC-2041 summary").click()
    page.fill("#reason-INC-2041", "half a sen")
    tale = page_server.backend.tales[-1]

    from controller.core.events import Escalated

    page_server.happen(lambda: tale.add(Escalated(samples.at("14:12:41"), tale.digest, "group:sre-oncall")))
    page.locator("text=to group:sre-oncall as well").wait_for()
    assert page.input_value("#reason-INC-2041") == "half a sen"

    page_server.happen(tale.answered)
    page.locator("h1:has-text('mara approved the rollback')").wait_for()
    assert page.locator("#reason-INC-2041").count() == 0
    assert said == []
    page.context.close()


def test_nothing_is_loaded_from_elsewhere_and_nothing_breaks_the_policy(chromium: Browser, page_server: Served) -> None:
    page = open_page(chromium, page_server)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    for path in PATHS[:-1]:
        page.goto(path)

    assert [url for url in asked if not url.startswith(page_server.url)] == []
    assert said == []
    page.context.close()


def test_hostile_text_runs_nothing(chromium: Browser) -> None:
    from tests.web.memory import MemoryBackend

    with served(MemoryBackend(tales=[samples.hostile()])) as server:
        page = open_page(chromium, server)
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        page.goto("/incidents/INC-666")

        assert dialogs == []
        assert "<script>alert(1)</script>" in page.inner_text("main")
        page.context.close()


def test_a_link_from_another_site_finds_the_login_it_has(chromium: Browser, page_server: Served) -> None:
    """A SameSite=Strict cookie does not come with a click elsewhere (a chat); the page goes once around."""
    page = open_page(chromium, page_server)
    target = f"{page_server.url}/incidents/INC-2041"
    page.goto(f"data:text/html,<a href='{target}'>from the chat</a>")
    page.get_by_role("link").click()
    page.locator("h1:has-text('checkout crash-loops')").wait_for()

    assert page.url == target
    page.context.close()
