"""Chromium is there and renders."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.controlplane.browser import browser, program
from tests.controlplane.fixtures import need

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_page_is_rendered(chromium: "Browser") -> None:
    page = chromium.new_page(viewport={"width": 320, "height": 640})
    page.set_content("<h1>trimtab</h1><script>document.title = 'runs'</script>")

    assert page.inner_text("h1") == "trimtab"
    assert page.title() == "runs"
    page.close()


@pytest.mark.controlplane
def test_an_asynchronous_test_can_follow() -> None:
    need(program)
    with browser() as started:
        assert started.version

    assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"
