"""Who may answer: names, groups, and a policy that narrows."""

import pytest

from controller.core.people import allowed, members

GROUPS = {"sre": ["li", "mara"]}


@pytest.mark.parametrize(
    ("entry", "people"),
    [
        ("mara", {"mara"}),
        ("user:mara", {"mara"}),
        ("system:serviceaccount:people:anna", {"system:serviceaccount:people:anna"}),
        ("group:sre", {"li", "mara"}),
        ("group:nobody-defined-it", set()),
        ("user:group:sre", {"group:sre"}),
        ("user:", set()),
    ],
)
def test_an_approver_is_a_username_or_a_group(entry: str, people: set[str]) -> None:
    assert members([entry], GROUPS) == people


def test_no_list_means_nobody() -> None:
    assert allowed([], None, GROUPS) == frozenset()
    assert allowed([], ["mara"], GROUPS) == frozenset()


def test_a_policy_narrows_the_list_and_never_widens_it() -> None:
    assert allowed(["mara", "anna"], ["group:sre"], GROUPS) == {"mara"}
