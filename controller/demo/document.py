"""The document of a run, for programs: a JSON file that is whole or not touched.

Promises that a file which cannot be written is told before the run begins, and that a run which fails or is ended
leaves what an earlier one wrote.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from controller.errors import Terminal

Write: TypeAlias = Callable[[Mapping[str, Any]], None]


class Unwritable(Terminal):
    """A file that cannot be written."""


@contextmanager
def opened(file: Path | None) -> Iterator[Write]:
    """What writes the document, once. Raises Unwritable, before the block begins or when it is written."""
    if file is None:
        yield lambda _document: None
        return
    with _blaming(file):
        place = file.resolve()
        special = place.exists() and not place.is_file()  # a pipe or a device holds nothing to lose
        draft = place if special else place.with_name(f".{place.name}.{os.getpid()}")
        if place.exists():
            place.open("a").close()
        draft.open("w").close()
    try:
        yield lambda document: _written(document, draft, place, file)
    finally:
        if not special:
            draft.unlink(missing_ok=True)


def _written(document: Mapping[str, Any], draft: Path, place: Path, file: Path) -> None:
    with _blaming(file):
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        if draft != place:
            draft.replace(place)


@contextmanager
def _blaming(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(f"{file} cannot be written: {error.strerror or error}", "name another file") from error
