"""Orders the four kinds of page for a newcomer: learn, do, look up, understand.

Pages are found by folder, so a new page needs no entry anywhere.
"""

from typing import Any

ORDER = ("Tutorial", "How to", "Reference", "Explanation")


def on_nav(nav: Any, **_: Any) -> Any:
    """Sort the top level of the navigation: pages first, then the folders of ORDER, then any other folder."""
    nav.items.sort(key=lambda item: place(item.title) if item.is_section else -1)
    return nav


def place(title: str) -> int:
    """Where a folder stands among the folders."""
    return ORDER.index(title) if title in ORDER else len(ORDER)
