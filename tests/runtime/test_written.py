"""What people write into a Remediation is heard once, and one writing is never taken for another."""

from typing import Any

import pytest

from controller.core.events import Via
from controller.runtime.written import UNDO, VIA, unheard_decision, unheard_undo, via

DECISION = {"verdict": "Approve", "digest": "0" * 16, "by": "mara", "reason": ""}


def item(
    decision: Any = None, annotations: dict[str, str] | None = None, status: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A Remediation with these parts."""
    return {"metadata": {"annotations": annotations or {}}, "spec": {"decision": decision}, "status": status or {}}


def conditions(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    """A status with one condition."""
    return {"conditions": [{"type": kind, "status": status, "reason": reason, "message": message}]}


@pytest.mark.parametrize(
    ("found", "heard"),
    [
        (item(), False),
        (item(DECISION), True),
        (item(DECISION, status={"decision": {"verdict": "Approve", "by": "mara", "via": "CLI"}}), False),
        (item(DECISION, status=conditions("Approved", "False", "Refused", "mara: no")), False),
        (item(DECISION, status=conditions("Approved", "False", "Refused", "eve: not among those who may")), True),
        (item(DECISION, status=conditions("Approved", "False", "Expired")), False),
        (item(DECISION, status=conditions("Executed", "True", "Applied")), True),
    ],
    ids=["none", "new", "answered", "refused to her", "refused to another", "expired", "another condition"],
)
def test_a_decision_is_heard_until_the_status_knows_it(found: dict[str, Any], heard: bool) -> None:
    assert (unheard_decision(found) == DECISION) is heard


@pytest.mark.parametrize(
    ("by", "status", "heard"),
    [
        ("", {}, None),
        ("mara", {}, "mara"),
        ("mara", conditions("Undone", "False", "Asked", "mara: by CLI"), None),
        ("mara", conditions("Undone", "True", "Restored", "as it was"), None),
        ("mara", conditions("Undone", "False", "Refused", "mara: rollback cannot be undone"), None),
        ("noor", conditions("Undone", "False", "Refused", "mara: not among those who may"), "noor"),
        ("noor", conditions("Undone", "False", "NotOurs", "somebody changed it"), None),
    ],
    ids=["none", "new", "asked", "done", "refused to her", "refused to another", "not ours"],
)
def test_a_wish_to_undo_is_heard_until_it_is_answered(by: str, status: dict[str, Any], heard: str | None) -> None:
    assert unheard_undo(item(annotations={UNDO: by}, status=status)) == heard


def test_only_the_command_line_says_that_it_is_one() -> None:
    assert via(item(annotations={VIA: "CLI"})) is Via.CLI
    assert via(item()) is via(item(annotations={VIA: "Slack"})) is Via.KUBECTL
