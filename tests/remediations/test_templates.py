"""Pod templates: what counts as the same version."""

from typing import Any

import pytest

from remediations.templates import HASH_LABEL, digest, same_template


def template(image: str = "shop:v1", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "shop", **labels}, "creationTimestamp": None},
        "spec": {"containers": [{"name": "main", "image": image, "env": [{"name": "A", "value": "1"}]}]},
    }


def unset(made: dict[str, Any]) -> dict[str, Any]:
    del made["metadata"]["creationTimestamp"]
    return made


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (template(), True),
        (template(**{HASH_LABEL: "abc"}), True),
        (unset(template()), True),
        (template("shop:v2"), False),
        (template(**{HASH_LABEL: "abc", "tier": "web"}), False),
        ({"spec": template()["spec"]}, False),
    ],
    ids=["itself", "a ReplicaSet's", "without its nulls", "another image", "another label", "no labels"],
)
def test_the_same_template_is_one_with_the_same_digest(other: dict[str, Any], same: bool) -> None:
    assert same_template(template(), other) is same
    assert (digest(template()) == digest(other)) is same


def test_comparing_changes_neither() -> None:
    one, other = template(**{HASH_LABEL: "abc"}), template()

    assert same_template(one, other)
    assert one == template(**{HASH_LABEL: "abc"})
