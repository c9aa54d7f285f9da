"""`trimtab release --all`, as a person with a kubeconfig of their own, with no program near."""

from collections.abc import Iterator

import pytest

from controller.cli.exits import Exit
from remediations.floor import ANNOTATIONS, FLOOR, FOR, OWNER, WAS
from remediations.memory import autoscaler
from tests.charts.chart import Helm
from tests.charts.fixtures import SHOP
from tests.cli.run import Trimtab
from tests.cli.server import Place
from tests.controlplane.api import APPLY_PATCH, Json
from tests.controlplane.cluster import ControlPlane

SCALING, PLURAL = "autoscaling/v2", "horizontalpodautoscalers"


def test_every_floor_is_asked_for_in_so_many_words(trimtab: Trimtab) -> None:
    answer = trimtab("release")

    assert answer.code is Exit.USAGE
    assert "--all" in answer.err


@pytest.fixture
def admin(charted: ControlPlane, helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Trimtab:
    return Place(charted, helm, tmp_path_factory.mktemp("release")).person("admin", "system:masters")


@pytest.fixture
def held(charted: ControlPlane, fresh: str) -> Iterator[str]:
    """An autoscaler with a floor of ours."""
    marks = {FLOOR: "6", WAS: "2", OWNER: "kubectl", FOR: "shop/checkout@3"}
    ours = {"metadata": {"name": fresh, "annotations": marks}, "spec": {"minReplicas": 6}}
    kind = {"apiVersion": SCALING, "kind": "HorizontalPodAutoscaler"}
    bodies: list[tuple[Json, str]] = [(autoscaler(SHOP, fresh, 2, 10), "kubectl"), ({**kind, **ours}, "trimtab-floor")]
    for body, manager in bodies:
        charted.api.patch(SCALING, PLURAL, fresh, body, SHOP, kind=APPLY_PATCH, fieldManager=manager, force="true")
    yield fresh
    charted.api.delete(SCALING, PLURAL, fresh, SHOP)


@pytest.mark.controlplane
@pytest.mark.checkout
def test_a_person_gives_back_what_is_listed_and_a_second_time_there_is_nothing(
    charted: ControlPlane, admin: Trimtab, held: str
) -> None:
    asked = admin("release", "--all", "-n", SHOP)
    assert asked.code is Exit.USAGE, "without a terminal nobody can be asked"
    assert f"shop/{held}: 6 held for shop/checkout@3, 2 before" in asked.err
    assert charted.api.get(SCALING, PLURAL, held, SHOP)["spec"]["minReplicas"] == 6

    done = admin("release", "--all", "-n", SHOP, "--yes", "-o", "json")
    assert done.code is Exit.OK, done.err
    assert {"name": f"shop/{held}", "floor": 6, "minimum": 2, "trouble": ""} in done.json
    found = charted.api.get(SCALING, PLURAL, held, SHOP)
    assert found["spec"]["minReplicas"] == 2
    assert set(ANNOTATIONS).isdisjoint(found["metadata"].get("annotations", {}))

    again = admin("release", "--all", "-n", SHOP, "--yes")
    assert (again.code, "no floor is held" in again.out) == (Exit.OK, True)


@pytest.mark.controlplane
@pytest.mark.checkout
def test_what_somebody_wrote_since_stays(charted: ControlPlane, admin: Trimtab, held: str) -> None:
    charted.api.patch(SCALING, PLURAL, held, {"spec": {"minReplicas": 4}}, SHOP)

    done = admin("release", "--all", "--yes", "-n", SHOP)

    assert done.code is Exit.OK, done.err
    assert f"shop/{held}: minReplicas 4, its owner's again" in done.out
    assert charted.api.get(SCALING, PLURAL, held, SHOP)["spec"]["minReplicas"] == 4
