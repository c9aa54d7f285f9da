"""The floor on the real control plane: ahead of the peak where the HPA alone is late, gone where it is not wanted.

One morning for all of them: six services with the same two weeks behind them and the same peak ahead.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.charts.chart import Helm
from tests.controlplane.audit import Effect, denied, effects
from tests.controlplane.errors import FixtureError
from tests.controlplane.waiting import wait_for
from tests.endtoend.morning import MINIMUM, Morning, Service, morning
from tests.endtoend.release import ACCOUNT
from tests.endtoend.story import API

Json = dict[str, Any]
EARLY, ALONE, TAKEN, LEFT, OWNED, SHARED = "early", "alone", "taken", "left", "owned", "shared"
WATCHED = 90.0
"""Seconds of the rise that are looked at."""
ROUNDS = 20.0
"""Seconds in which a loop that does not respect a person would have written several times over."""
MARKS = {f"/metadata/annotations/trimtab.dev~1floor{part}" for part in ("", "-was", "-owner", "-for")}
"""What a floor leaves on an HPA besides the minimum, and takes away with it."""
KEDA = "keda.sh/v1alpha1"


@pytest.fixture(scope="module")
def day(helm: Helm) -> Iterator[Morning]:
    """The morning, with HPAs as people write them."""
    with morning(helm, (EARLY, ALONE, TAKEN, LEFT, OWNED, SHARED), _prepare) as made:
        yield made


def _prepare(services: Mapping[str, Service]) -> None:
    for name in (EARLY, ALONE, TAKEN):
        services[name].apply(services[name].manifest())
    for name in (LEFT, SHARED):
        services[name].apply(services[name].manifest(), "--server-side")
    services[OWNED].apply(services[OWNED].manifest(ownerReferences=[_scaled_object(services[OWNED])]))
    for name in (EARLY, TAKEN, LEFT, OWNED, SHARED):
        services[name].policy()


def _scaled_object(service: Service) -> Json:
    """KEDA's object, and the reference of an HPA that KEDA made of it."""
    names = {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema}
    api = service.plane.api
    api.create(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "scaledobjects.keda.sh"},
            "spec": {"group": "keda.sh", "scope": "Namespaced", "names": names, "versions": [version]},
        }
    )
    service.plane.kubectl("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh", "--timeout=30s")
    body = {"apiVersion": KEDA, "kind": "ScaledObject", "metadata": {"name": service.name}}
    made = api.request("POST", f"/apis/{KEDA}/namespaces/{service.namespace}/scaledobjects", body)
    reference = {"apiVersion": KEDA, "kind": "ScaledObject", "name": service.name, "uid": made["metadata"]["uid"]}
    return {**reference, "controller": True, "blockOwnerDeletion": True}


def _changed(effect: Effect) -> set[str]:
    """What a JSON patch adds, replaces or removes."""
    return {step["path"] for step in effect.patch if step["op"] != "test"}


def _managers(service: Service) -> set[str]:
    return {entry["manager"] for entry in service.hpa["metadata"]["managedFields"]}


def test_pods_are_ready_before_the_daily_peak_where_the_hpa_alone_is_late(day: Morning) -> None:
    early = day.services[EARLY]
    floor = early.held()

    day.until(day.begins + WATCHED)

    (at_begin, *_), (*_, last) = (
        day.record.between(EARLY, day.begins, day.begins + 10),
        day.record.between(EARLY, day.begins, day.begins + WATCHED),
    )
    assert floor >= last.needed > MINIMUM
    assert at_begin.ready >= last.needed
    assert day.record.short(EARLY, day.begins, day.begins + WATCHED) == 0.0
    assert day.record.short(ALONE, day.begins, day.begins + WATCHED) >= WATCHED / 3
    assert day.services[ALONE].minimum == MINIMUM
    assert day.services[ALONE].effects() == []


def test_every_effect_is_a_floor_held_by_its_own_field_manager_and_nothing_else(day: Morning) -> None:
    early = day.services[EARLY]
    early.held()

    written = early.effects()

    assert written
    for effect in written:
        assert (effect.verb, effect.gvr.resource, effect.subresource) == ("patch", "horizontalpodautoscalers", "")
        assert set(effect.patch) == {"apiVersion", "kind", "metadata", "spec"}
        assert set(effect.patch["spec"]) == {"minReplicas"}
        assert {
            f"/metadata/annotations/{name.replace('/', '~1')}" for name in effect.patch["metadata"]["annotations"]
        } == MARKS
        assert effect.patch["metadata"]["uid"] == early.hpa["metadata"]["uid"]
    anywhere = effects(early.plane.audit, user=ACCOUNT)
    assert {(one.namespace, one.gvr.resource) for one in anywhere} <= {
        (name, "horizontalpodautoscalers") for name in (EARLY, TAKEN, LEFT, SHARED)
    }
    assert denied(early.plane.audit, ACCOUNT) == []


def test_a_minimum_that_a_user_applies_is_theirs_and_is_left_alone(day: Morning) -> None:
    taken = day.services[TAKEN]
    assert taken.held() > MINIMUM
    mine = MINIMUM + 1
    since = taken.plane.audit.mark()

    taken.apply(taken.manifest(mine))

    told = wait_for(
        "it is told", taken.floor_held, until=lambda one: (one["status"], one["reason"]) == ("False", "TakenBack")
    )
    assert "kubectl" in told["message"]
    day.until(day.begins + ROUNDS)  # the peak is no reason either
    assert taken.minimum == mine
    # What a floor left behind is taken away a round later.
    wait_for("nothing of ours is left", lambda: _ours(_managers(taken)), until=lambda left: left == [])
    assert [_changed(effect) for effect in taken.effects(since)] == [MARKS]
    assert taken.minimum == mine


def test_without_its_policy_the_floor_is_given_back_and_its_owner_applies_unforced(day: Morning) -> None:
    left = day.services[LEFT]
    assert left.held() > MINIMUM
    with pytest.raises(FixtureError, match="trimtab-floor"):
        left.apply(left.manifest(MINIMUM + 2), "--server-side")

    left.plane.api.delete(API, "servicepolicies", left.name, left.namespace)

    wait_for("nothing of trimtab is left", lambda: _managers(left), until=lambda found: not _ours(found))
    assert left.minimum == MINIMUM
    assert not [name for name in left.hpa["metadata"].get("annotations", {}) if name.startswith("trimtab.dev/")]
    left.apply(left.manifest(MINIMUM + 2), "--server-side")
    assert left.minimum == MINIMUM + 2


def test_a_minimum_that_its_owner_applies_at_our_number_stays_when_the_policy_goes(day: Morning) -> None:
    """The API server shares an equal value between both without a conflict: that is a take-back too."""
    shared = day.services[SHARED]
    mine = shared.held()
    assert mine > MINIMUM

    shared.apply(shared.manifest(mine), "--server-side")
    shared.plane.api.delete(API, "servicepolicies", shared.name, shared.namespace)

    wait_for("nothing of trimtab is left", lambda: _managers(shared), until=lambda found: not _ours(found))
    assert shared.minimum == mine
    assert not [name for name in shared.hpa["metadata"].get("annotations", {}) if name.startswith("trimtab.dev/")]


def _ours(managers: set[str]) -> list[str]:
    return [name for name in managers if name.startswith("trimtab")]


def test_an_hpa_that_keda_made_is_not_written_and_the_policy_says_whose_it_is(day: Morning) -> None:
    owned = day.services[OWNED]

    told = wait_for("it is told", owned.floor_held, until=lambda one: "ScaledObject" in one.get("message", ""))

    assert told["status"] == "False"
    assert owned.minimum == MINIMUM
    assert owned.effects() == []
