"""What would have been: the route of a proposal if the policy did not merely observe."""

from __future__ import annotations

from controller.core.decide import Decision
from controller.core.routes import Route, even_so


def would(decision: Decision) -> Route | None:
    """The strictest route of the other reasons, None when observing was not among them."""
    if all(reason.code != "observe" for reason in decision.reasons):
        return None
    return max((reason.route for reason in even_so(decision.reasons)), default=Route.AUTO)
