"""AutomationPause: the kill switch. It exists, so trimtab pauses.

Promises that nothing in it can make it weaker than its existence: the spec may be missing, and no namespaces means
all of them, because stopping is the safe side (S6, S13).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from controller.api.shapes import AGE, API_VERSION, Column, CustomKind, Line, Metadata, Namespace, Shape, Text, resource


class AutomationPauseSpec(Shape):
    """Why, and where."""

    reason: Text = ""
    """Why, for everybody who wonders."""
    by: Line = ""
    """Who paused, where it was not kubectl: the API server keeps no name."""
    namespaces: Annotated[
        tuple[Namespace, ...], Field(max_length=256, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = ()
    """Where. None: everywhere."""


class AutomationPause(Shape):
    """Stops every action of trimtab for as long as it exists."""

    api_version: Literal["trimtab.dev/v1alpha1"] = API_VERSION
    kind: Literal["AutomationPause"] = "AutomationPause"
    metadata: Metadata
    spec: AutomationPauseSpec = Field(default_factory=AutomationPauseSpec)

    def covers(self, namespace: str) -> bool:
        """Whether it pauses this namespace."""
        return not self.spec.namespaces or namespace in self.spec.namespaces


AUTOMATION_PAUSE = resource("AutomationPause", "automationpauses", namespaced=False)

KIND = CustomKind(
    resource=AUTOMATION_PAUSE,
    model=AutomationPause,
    spec=AutomationPauseSpec,
    status=None,
    spec_required=False,
    short_names=("pause",),
    columns=(
        Column(name="Reason", path=".spec.reason"),
        Column(name="By", path=".spec.by"),
        Column(name="Namespaces", path=".spec.namespaces", description="none: everywhere"),
        AGE,
    ),
)
