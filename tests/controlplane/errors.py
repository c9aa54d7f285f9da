"""What can go wrong while servers are made ready: each names what, where and the remedy."""

from pathlib import Path


class FixtureError(Exception):
    """A server of the fixtures did not do what it is for."""


class MissingTool(FixtureError):
    """A program is not on this machine; the message is the one clear sentence that a skip prints."""


class NeverReady(FixtureError):
    """A server ended early or did not answer in time; carries the end of its log."""

    def __init__(self, what: str, log: Path | None, reason: str) -> None:
        tail = log.read_text(errors="replace")[-3000:] if log is not None and log.exists() else "(no log)"
        super().__init__(f"{what}: {reason}. End of its log {log}:\n{tail}")


class NeverHappened(FixtureError, AssertionError):
    """A test waited for something that did not come; carries what was seen last."""
