"""What would have been: the route of a proposal if the policy did not merely observe."""

from __future__ import annotations

from controller.core.decide import Decision
from controller.core.routes import Route


def would(decision: Decision) -> Route | None:
    """The strictest route of the other reasons, None when observing was not among them."""
    others = [reason.route for reason in decision.reasons if reason.code != "observe"]
    return max(others, default=Route.AUTO) if len(others) < len(decision.reasons) else None
