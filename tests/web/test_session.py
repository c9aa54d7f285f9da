import base64
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.ports import Person
from controller.web.session import Sessions, TooManyGroups, expiry_of
from tests.core.samples import at

NOW = at("14:00:00")


def sessions(key: bytes = b"k" * 32) -> Sessions:
    return Sessions(key, timedelta(hours=4))


def token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


@given(st.text(min_size=1, max_size=60), st.lists(st.text(max_size=30), max_size=5))
def test_a_session_comes_back_as_it_was(name: str, groups: list[str]) -> None:
    ours = sessions()
    session = ours.begin(Person(name, tuple(groups)), "opaque", NOW)

    assert ours.read(ours.cookie(session), NOW) == session


@given(st.text(max_size=200))
def test_a_cookie_that_is_not_ours_is_nobody(value: str) -> None:
    assert sessions().read(value, NOW) is None


def test_another_key_reads_nothing() -> None:
    ours = sessions()
    cookie = ours.cookie(ours.begin(Person("mara"), "opaque", NOW))

    assert sessions(b"o" * 32).read(cookie, NOW) is None


def test_a_session_lasts_no_longer_than_the_token_it_came_with() -> None:
    soon = NOW + timedelta(minutes=10)

    assert sessions().begin(Person("mara"), token(exp=soon.timestamp()), NOW).until == soon
    assert sessions().begin(Person("mara"), token(exp=1e10), NOW).until == NOW + timedelta(hours=4)


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c", "e30.e30.x", "e30.!!.x", token(exp="soon"), token(exp=1e300), token(exp=None)],
    ids=["empty", "no-base64", "no-claim", "odd", "word", "endless", "null"],
)
def test_a_token_that_says_nothing_of_its_end_has_none(text: str) -> None:
    assert expiry_of(text) is None


def test_groups_that_fit_into_no_cookie_are_an_error() -> None:
    from hashlib import sha256

    many = tuple(sha256(bytes([n])).hexdigest() for n in range(200))
    ours = sessions()

    with pytest.raises(TooManyGroups):
        ours.cookie(ours.begin(Person("mara", many), "opaque", NOW))


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_form_token_fits_one_browser_and_person(secret: str, name: str) -> None:
    ours = sessions()
    shown = ours.form_token(secret, name)

    assert ours.form_ours(shown, secret, name) == bool(secret)
    assert not ours.form_ours(shown, f"{secret}x", name)
    assert not ours.form_ours(shown, secret, f"{name}x")
