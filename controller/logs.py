"""Logs: constant events with keys and values, as JSON or for a terminal, without secrets (S35).

Promises that everything written by the program or by a library it uses (uvicorn, slack, aiohttp) takes this one way,
and that redaction is the last thing that happens to a value, tracebacks included.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from controller.redaction import Redaction

QUIET = {
    "aiohttp.access": "WARNING",
    "alembic": "WARNING",
    "apscheduler": "WARNING",
    "uvicorn.access": "WARNING",
    "uvicorn.error": "WARNING",
}
"""Libraries that tell more than anybody wants to know, and from when on they may."""


def configure(
    stream: TextIO, level: str = "info", form: Literal["", "json", "console"] = "", redact: Redaction | None = None
) -> None:
    """Send every log of this process to `stream`. Form empty: for people on a terminal, JSON elsewhere."""
    people = form == "console" or (form == "" and stream.isatty())
    hide = redacted(redact or Redaction())
    before: tuple[Processor, ...] = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    )
    last: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if people
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(logging.getLevelName(least), root.level))
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        cache_logger_on_first_use=False,
    )


def redacted(redact: Redaction) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """A processor that hides secrets in every value of an event."""

    def hide(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        found: dict[str, Any] = redact.of(event)
        return found

    return hide
