"""Chromium is there and renders."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_page_is_rendered(chromium: "Browser") -> None:
    page = chromium.new_page(viewport={"width": 320, "height": 640})
    page.set_content("<h1>trimtab</h1><script>document.title = 'runs'</script>")

    assert page.inner_text("h1") == "trimtab"
    assert page.title() == "runs"
    page.close()
