"""What events are made of: symptoms, causes, answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a person answered."""

    APPROVE = "Approve"
    REJECT = "Reject"


class Via(StrEnum):
    """The door an answer came through."""

    KUBECTL = "kubectl"
    CLI = "CLI"
    SLACK = "Slack"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Symptom:
    """One thing that is wrong: a constant code and one clause for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    """A possible cause, how much speaks for it (0–1), and why."""

    name: str
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another runbook that matched, and what it scored (S31)."""

    runbook: str
    estimate: float
    reason: str = ""
