"""A running demo answers `trimtab status` with the line that it prints, and nobody else without the token."""

from __future__ import annotations

import io
import secrets
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.cli.asking import Address, ask
from controller.cli.exits import Exit
from controller.cli.screen import Screen
from controller.cli.status import status
from controller.demo.audience import Place
from controller.demo.playing import open_lab
from controller.demo.run import bound_to, page, written
from controller.demo.settings import KEY_FILE, YOU, lab_settings
from controller.demo.stories import BEGIN, Morning
from controller.errors import Denied
from controller.settings import Settings


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """The page of a demo that stands still at its beginning."""
    morning, token = Morning.shipped(), secrets.token_urlsafe(32)
    with bound_to(None, usual=0) as listening, written(tmp_path / KEY_FILE, token) as path:
        settings = lab_settings(tmp_path, morning.namespaces, "http://127.0.0.1")
        lab = open_lab(settings, morning.scenario, 7, BEGIN, people=[YOU], tokens={token: YOU})
        async with lab as playing, page(playing, listening, False, path) as found:
            yield found


async def test_the_line_that_the_demo_prints_shows_its_services(place: Place) -> None:
    words = shlex.split(place.command())
    assert words[:3] == ["trimtab", "status", "--url"]
    address = Address(words[3], Path(words[5]))
    out = io.StringIO()

    assert await status(Screen(out=out), Settings(), address, "", BEGIN) is Exit.OK
    assert "lab leads" in out.getvalue()
    for service in Morning.shipped().scenario.services:
        assert service.name in out.getvalue()


async def test_another_token_is_not_let_in(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("guessed", encoding="utf-8")
    with pytest.raises(Denied, match="does not let you in"):
        await ask(Settings(), Address(place.url, tmp_path / "other"), "/v1/status", "status")


def test_the_token_can_be_read_by_its_owner_alone_and_goes_with_the_demo(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("of a demo that was killed", encoding="utf-8")
    with written(tmp_path / KEY_FILE, "secret") as path:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text(encoding="utf-8") == "secret"
    assert not path.exists()
