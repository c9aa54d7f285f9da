"""Templates into answers: autoescaped, strict about missing names, with the cookies a visitor needs.

Promises that text from outside reaches HTML only through autoescaping and without control characters (S32).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from importlib import resources
from typing import Any
from urllib.parse import quote

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from controller.core.report_text import SHAPES as LINE_SHAPES
from controller.core.report_text import day_time
from controller.core.timeline import places
from controller.core.words import clean, clock, clock_seconds, fraction, moment, sentence, short
from controller.web.backend import Service
from controller.web.badges import SHAPES, badge, health_badge
from controller.web.session import FORM_COOKIE
from controller.web.visitor import THEME_COOKIE, THEMES, Visitor, door_of

STATIC = resources.files("controller.web") / "static"
A_YEAR = 31_536_000
UNIT = re.compile(r"(?<=\d) (?=(?:%|s|min|h|d|MiB|UTC)(?:\W|$))")


def when(at: datetime) -> Markup:
    """A time of day with its suffix; the date is its title."""
    return _time(at, clock_seconds(at))


def moment_of(at: datetime) -> Markup:
    """`Fri 20 Nov 14:02`; the whole moment is its title."""
    return _time(at, day_time(at))


def _time(at: datetime, told: str) -> Markup:
    return Markup('<time datetime="{}" title="{}">{} <span class="utc">UTC</span></time>').format(
        at.astimezone(UTC).isoformat(), moment(at), told
    )


def day(at: datetime) -> str:
    """`2026-11-20`."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def service_path(service: Service) -> str:
    """The address of a service's page."""
    workload = service.workload
    return "/services/" + "/".join(quote(part, safe="") for part in (workload.namespace, workload.kind, workload.name))


def block(text: str) -> str:
    """Text of several lines without control or direction characters."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"})


def tied(text: str) -> str:
    """A number and its unit stay on one line."""
    return UNIT.sub("\u00a0", text)


def diff_lines(text: str) -> list[tuple[str, str]]:
    """(kind, line) of a unified diff: `file`, `place`, `added`, `removed` or `same`."""
    return [(_kind(line), line) for line in block(text).splitlines()]


def _kind(line: str) -> str:
    if line.startswith(("---", "+++")):
        return "file"
    return {"@": "place", "+": "added", "-": "removed"}.get(line[:1], "same")


def environment() -> Environment:
    """The templates."""
    found = Environment(
        loader=PackageLoader("controller.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        when=when,
        day=day,
        clean=clean,
        short=short,
        fraction=fraction,
        sentence=sentence,
        tied=tied,
        diff_lines=diff_lines,
        hour=clock,
        moment=moment_of,
        service_path=service_path,
        places=places,
    )
    found.globals.update(badge=badge, health_badge=health_badge, shapes=SHAPES, line_shapes=LINE_SHAPES, themes=THEMES)
    return found


TEMPLATES = environment()


def page(request: Request, visitor: Visitor, template: str, status: int = 200, **values: Any) -> Response:
    """One page for one visitor, with a form token of theirs."""
    door = door_of(request)
    html = TEMPLATES.get_template(template).render(
        visitor=visitor,
        csrf=door.sessions.form_token(visitor.form_secret, visitor.name),
        path=request.url.path,
        here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        **values,
    )
    response = HTMLResponse(html, status)
    if visitor.fresh:
        keep(request, response, FORM_COOKIE, visitor.form_secret)
    return response


def keep(request: Request, response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Set a cookie that no script reads and no other site sends."""
    secure = request.url.scheme == "https" or door_of(request).options.https
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=secure, path="/")


def keep_theme(request: Request, response: Response, theme: str) -> None:
    """Remember how the visitor likes the page."""
    keep(request, response, THEME_COOKIE, theme, A_YEAR)


def local(path: str) -> str:
    """A path on this page to go back to, else its start: never another site."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain else "/"
