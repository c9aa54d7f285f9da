"""Verification: only service health counts, and silence is not success (S23, S24)."""

import pytest

from runbooks.evidence import Evidence
from runbooks.expression import Known
from runbooks.load import library
from runbooks.schema import Runbook
from runbooks.verify import CannotTell, Held, NotYet, Verification, verify
from tests.runbooks.examples import EXAMPLE, runbook

WELL: Evidence = {"replicas.ready": 12, "replicas.desired": 12, "signals.errors.normal": True}
FACTS = tuple(Known(name, value) for name, value in WELL.items())


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        (WELL, Held(FACTS)),
        (
            {**WELL, "replicas.ready": 7},
            NotYet(("replicas.ready >= replicas.desired",), (Known("replicas.ready", 7), FACTS[1])),
        ),
        ({"replicas.ready": 12, "replicas.desired": 12}, CannotTell(("signals.errors.normal",))),
        (
            {"replicas.ready": 7, "replicas.desired": 12},
            NotYet(("replicas.ready >= replicas.desired",), (Known("replicas.ready", 7), FACTS[1])),
        ),
        ({}, CannotTell(("replicas.ready", "replicas.desired", "signals.errors.normal"))),
    ],
    ids=["well", "not-ready", "prometheus-down", "known-failure-outranks-missing", "nothing-known"],
)
def test_verification_holds_only_when_every_condition_is_known_to_hold(
    evidence: Evidence, outcome: Verification
) -> None:
    assert verify(runbook(), evidence) == outcome


def test_an_evaluation_that_goes_wrong_is_not_success() -> None:
    broken = runbook(EXAMPLE.replace("signals.errors.normal]", "1 / replicas.ready == 1]"))

    outcome = verify(broken, {"replicas.ready": 0, "replicas.desired": 0})

    assert isinstance(outcome, CannotTell)
    assert outcome.errors == ("INVALID_ARGUMENT: divide by zero",)


@pytest.mark.parametrize("shipped", library(), ids=lambda found: found.name)
def test_s24_no_shipped_runbook_calls_a_service_well_without_its_errors_and_its_replicas(shipped: Runbook) -> None:
    well = {**WELL, "replicas.updated": 12, "objects.stuckRollout": False, "alerts.firing": False}

    assert isinstance(verify(shipped, well), Held)
    for lost in WELL:
        assert isinstance(verify(shipped, {name: well[name] for name in well if name != lost}), CannotTell)
    assert isinstance(verify(shipped, {**well, "signals.errors.normal": False}), NotYet)
    assert isinstance(verify(shipped, {**well, "replicas.ready": 11}), NotYet)
