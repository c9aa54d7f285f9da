"""What a loop is given: the ports and the readings it works with, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.core.history import History
from controller.journal import Journal
from controller.observe.arms import Arms
from controller.observe.consent import Consents
from controller.observe.demand import Demand
from controller.observe.passes import Passes
from controller.observe.sight import Sight
from controller.ports import Access, Clock, Resources
from controller.settings import Settings
from remediations.cluster import Cluster
from remediations.guards import Protected
from remediations.registry import Registry


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything a loop touches. `demand` is None without Prometheus; `store_trusted` and `protected` are asked anew
    each time.
    """

    settings: Settings
    cluster: Cluster
    resources: Resources
    access: Access
    journal: Journal
    history: History
    consents: Consents
    sight: Sight
    registry: Registry
    clock: Clock
    demand: Demand | None
    arms: Arms
    passes: Passes
    store_trusted: Callable[[], bool]
    protected: Callable[[], Protected | None]
