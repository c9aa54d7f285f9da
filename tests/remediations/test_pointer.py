"""JSON pointers and patches: RFC 6901 and 6902 as far as plans use them."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.plan import Held, PatchOp
from remediations.pointer import (
    BadPatch,
    applied,
    covers,
    held,
    pointer_to,
    same,
    tokens,
    value_at,
    with_parents,
    without_nulls,
)

SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", ""])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
RFC = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/m~0n", 8), ("/ ", 7), ("", RFC)],
    ids=["member", "index", "empty key", "slash", "tilde", "blank", "whole"],
)
def test_the_examples_of_rfc_6901(pointer: str, value: object) -> None:
    assert held(RFC, pointer).value == value


@pytest.mark.parametrize("pointer", ["/bar", "/foo/2", "/foo/-", "/foo/x", "/foo/0/x"])
def test_absence_is_a_value_of_its_own(pointer: str) -> None:
    assert held(RFC, pointer) == Held(pointer, None, present=False)
    assert held({"bar": None}, "/bar") == Held("/bar", None, present=True)


def test_a_pointer_begins_with_a_slash() -> None:
    with pytest.raises(BadPatch, match="no JSON pointer"):
        tokens("spec/replicas")


keys = st.text(alphabet=st.sampled_from("ab/~01 *."), max_size=4)


@given(st.lists(keys, min_size=1, max_size=4))
def test_every_path_survives_escaping(path: list[str]) -> None:
    document: Any = "found"
    for key in reversed(path):
        document = {key: document}

    assert tokens(pointer_to(*path)) == tuple(path)
    assert value_at(document, pointer_to(*path)) == "found"


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (PatchOp("add", "/spec/new", 1), {"spec": {"list": [1, 2], "old": 0, "new": 1}}),
        (PatchOp("add", "/spec/old", 1), {"spec": {"list": [1, 2], "old": 1}}),
        (PatchOp("replace", "/spec/old", 1), {"spec": {"list": [1, 2], "old": 1}}),
        (PatchOp("remove", "/spec/old"), {"spec": {"list": [1, 2]}}),
        (PatchOp("add", "/spec/list/1", 9), {"spec": {"list": [1, 9, 2], "old": 0}}),
        (PatchOp("add", "/spec/list/-", 9), {"spec": {"list": [1, 2, 9], "old": 0}}),
        (PatchOp("replace", "/spec/list/0", 9), {"spec": {"list": [9, 2], "old": 0}}),
        (PatchOp("remove", "/spec/list/0"), {"spec": {"list": [2], "old": 0}}),
    ],
    ids=["add", "add over", "replace", "remove", "insert", "append", "replace item", "remove item"],
)
def test_an_operation_does_what_rfc_6902_says_and_changes_no_argument(op: PatchOp, expected: object) -> None:
    document = {"spec": {"list": [1, 2], "old": 0}}
    before = copy.deepcopy(document)

    assert applied(document, (op,)) == expected
    assert document == before


@pytest.mark.parametrize(
    "op",
    [
        PatchOp("replace", "/spec/none", 1),
        PatchOp("remove", "/spec/none"),
        PatchOp("add", "/none/deep", 1),
        PatchOp("add", "/spec/list/3", 1),
        PatchOp("replace", "/spec/list/2", 1),
        PatchOp("replace", "/spec/list/-", 1),
        PatchOp("add", "/spec/old/deeper", 1),
        PatchOp("replace", "", {}),
    ],
    ids=["replace none", "remove none", "no parent", "beyond", "no item", "dash", "in a value", "whole"],
)
def test_an_operation_that_does_not_fit_is_refused(op: PatchOp) -> None:
    with pytest.raises(BadPatch):
        applied({"spec": {"list": [1, 2], "old": 0}}, (op,))


@pytest.mark.parametrize(
    ("declared", "pointer", "expected"),
    [
        ("/spec/template", "/spec/template", True),
        ("/spec/template", "/spec/template/spec/volumes", True),
        ("/spec/template", "/spec/templates", False),
        ("/spec/template", "/spec", False),
        ("/spec/containers/*/image", "/spec/containers/3/image", True),
        ("/spec/containers/*/image", "/spec/containers/3/imagePullPolicy", False),
        ("/spec/containers/*/image", "/spec/containers/image", False),
        ("/metadata/annotations/a~1b", "/metadata/annotations/a/b", False),
    ],
)
def test_a_declared_pointer_covers_itself_and_what_lies_under_it(declared: str, pointer: str, expected: bool) -> None:
    assert covers(declared, pointer) is expected


@given(DOCUMENTS, DOCUMENTS)
def test_same_is_equal_without_the_nulls(one: object, other: object) -> None:
    assert same(one, other) == (without_nulls(one) == without_nulls(other))
    assert same(one, without_nulls(one))


def test_a_null_member_is_the_same_as_none() -> None:
    assert same({"a": {"creationTimestamp": None}, "b": [{"c": None}]}, {"a": {}, "b": [{}]})
    assert not same({"a": 0}, {})


def test_missing_parents_of_an_add_are_made_and_present_ones_kept() -> None:
    op = PatchOp("add", "/metadata/annotations/x", "y")

    assert applied({"metadata": {}}, with_parents({"metadata": {}}, [op])) == {"metadata": {"annotations": {"x": "y"}}}
    kept = {"metadata": {"annotations": {"z": "1"}}}
    assert applied(kept, with_parents(kept, [op])) == {"metadata": {"annotations": {"x": "y", "z": "1"}}}
