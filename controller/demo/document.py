"""The document of a run, for programs: a JSON file that is whole or not touched.

Promises that a file which cannot be written is told before the run begins, and that a run which fails or is ended
leaves what an earlier one wrote.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
    elif file.exists() and not file.is_file():
        with _through(file) as write:
            yield write
    else:
        with _swapped_in(file) as write:
            yield write


@contextmanager
def _through(file: Path) -> Iterator[Write]:
    """Into a pipe or a device, which holds nothing to lose: opened once, so that its reader is there until the end."""
    with _blaming(file):
        handle = file.open("w", encoding="utf-8")

    def write(document: Mapping[str, Any]) -> None:
        with _blaming(file):
            handle.write(text_of(document))
            handle.flush()

    try:
        yield write
    finally:
        with suppress(OSError):  # told when it was written
            handle.close()


@contextmanager
def _swapped_in(file: Path) -> Iterator[Write]:
    """Into a draft beside the file, which takes its place when it is whole."""
    with _blaming(file):
        place = file.resolve()
        draft = place.with_name(f".{place.name}.{os.getpid()}")
        if place.exists():
            place.open("a").close()
        draft.open("w").close()

    def write(document: Mapping[str, Any]) -> None:
        with _blaming(file):
            draft.write_text(text_of(document), encoding="utf-8")
            draft.replace(place)

    try:
        yield write
    finally:
        draft.unlink(missing_ok=True)


def text_of(document: Mapping[str, Any]) -> str:
    """As it is written."""
    return json.dumps(document, indent=2) + "\n"


@contextmanager
def _blaming(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(f"{file} cannot be written: {error.strerror or error}", "name another file") from error
