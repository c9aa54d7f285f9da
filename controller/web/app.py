"""The page as one ASGI application: routes, error pages, headers. Give it a backend and options, nothing else."""

from __future__ import annotations

from importlib.metadata import version
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from controller.core.alertmanager import BadPayload
from controller.errors import Retriable, TrimtabError
from controller.web import entrance, fleet, judge, pages, rest, status, stream
from controller.web.backend import Backend
from controller.web.failures import LoginNeeded, NoSuchPage, PageFailure
from controller.web.options import Options
from controller.web.render import STATIC, TEMPLATES, page
from controller.web.session import Sessions
from controller.web.shield import HEADERS, Shield
from controller.web.visitor import Door, door_of

log = structlog.get_logger(__name__)


def create_app(backend: Backend, options: Options | None = None) -> FastAPI:
    """The application. Closed by default: without a session, a trusted proxy or a token only probes answer."""
    options = options or Options()
    app = FastAPI(
        title="trimtab",
        version=version("trimtab"),
        summary="Incidents, what was done about them and why.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.door = Door(backend, options, Sessions(options.session_key, options.session_lasts))
    for part in (pages.router, fleet.router, rest.router, status.router, judge.router, stream.router, entrance.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=str(STATIC)), name="static")
    app.add_exception_handler(PageFailure, failed)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(TrimtabError, unavailable)
    app.add_exception_handler(Exception, broken)
    app.add_middleware(Shield)
    return app


def for_programs(request: Request) -> bool:
    """Whether a program asks, which wants JSON."""
    return request.url.path.startswith(("/v1/", "/readyz", "/healthz", "/metrics"))


async def failed(request: Request, error: Exception) -> Response:
    """A failure with a page of its own."""
    if not isinstance(error, PageFailure):
        return await broken(request, error)
    if isinstance(error, LoginNeeded) and not for_programs(request):
        return to_login(request, error)
    return shown(request, error.status, error.title, error.detail, error.remedy)


def to_login(request: Request, error: LoginNeeded) -> Response:
    """To the login, or once around for a link from elsewhere: a Strict cookie comes only with our own navigation."""
    if request.url.path == "/events":
        return Response("log in first", 401, media_type="text/plain")
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(TEMPLATES.get_template("around.html").render(path=request.url.path))
    back = error.path if request.method == "GET" else "/"
    return RedirectResponse(f"/login?next={quote(back, safe='/')}", 303)


async def unrouted(request: Request, error: Exception) -> Response:
    """404, 405 and the like."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return await failed(request, NoSuchPage())
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    response = shown(request, status, "That cannot be asked here", detail, "go back to the list of incidents")
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def invalid(request: Request, error: Exception) -> Response:
    """A parameter of the wrong shape."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    detail = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in found)
    return shown(request, 422, "That cannot be asked here", detail, "mend the address")


async def unavailable(request: Request, error: Exception) -> Response:
    """The API server or the store does not answer, or a payload is none."""
    status = 400 if isinstance(error, BadPayload) else 503 if isinstance(error, Retriable) else 500
    log.warning("page cannot say", path=request.url.path, error=str(error))
    remedy = error.remedy if isinstance(error, TrimtabError) else ""
    detail = str(error.args[0]) if error.args else type(error).__name__
    again = "mend what was sent" if status == 400 else "try again in a moment; `trimtab doctor` says what is wrong"
    return shown(request, status, "trimtab cannot say right now", detail, remedy or again)


async def broken(request: Request, error: Exception) -> Response:
    """A fault of ours: said without its insides, which are in the log."""
    log.error("page failed", path=request.url.path, exc_info=error)
    detail = "this page failed; nothing was done"
    response = shown(request, 500, "Something broke", detail, "look at the program's log, and please report it")
    response.headers.update({**HEADERS, "cache-control": "no-store"})  # this handler stands outside of the shield
    return response


def shown(request: Request, status: int, title: str, detail: str, remedy: str) -> Response:
    """One error, as JSON for programs and as a page for people."""
    if for_programs(request):
        return JSONResponse({"error": detail or title, "remedy": remedy}, status)
    visitor = door_of(request).visitor(request)
    return page(request, visitor, "error.html", status, code=status, title=title, detail=detail, remedy=remedy)
