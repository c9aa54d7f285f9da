"""What each answer to a write means: what may have been done is unknown, what was refused is never called so."""

from typing import Any

import pytest

from controller.adapters.kubernetes.answers import LONGEST_WORDS, Answer
from controller.adapters.kubernetes.settle import Unsettled, reread, settled
from remediations.cluster import Applied, Conflict, Gone, Refused, Unknown
from tests.adapters.kubernetes.scripted import status

NAMED: Any = {"name": "web", "kind": "deployments"}
OBJECT = {"metadata": {"uid": "u1", "resourceVersion": "7"}}


def said(code: int, reason: str = "", retry_after: float | None = None, **details: Any) -> Answer:
    body = status(code, reason, "words", **details) if reason else {}
    return Answer(code, body, retry_after, text="plain words")


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (Answer(200, OBJECT), Applied("7")),
        (said(409, "Conflict", **NAMED), Conflict("words")),
        (said(404, "NotFound", **NAMED), Gone("words")),
        (said(410, "Gone"), Gone("words")),
        (said(404), Refused("KindUnknown", "plain words")),
        (said(404, "NotFound"), Refused("KindUnknown", "words")),
        (said(401, "Unauthorized"), Refused("Unauthorized", "words")),
        (said(403, "Forbidden", **NAMED), Refused("Forbidden", "words")),
        (said(422, "Invalid", kind="Deployment", causes=[{"field": "spec"}]), Refused("Invalid", "words")),
        (said(422, "Invalid"), Unsettled("words")),
        (said(400, "BadRequest"), Refused("BadRequest", "words")),
        (said(413, "RequestEntityTooLarge"), Refused("RequestEntityTooLarge", "words")),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_answer_means(answer: Answer, means: object) -> None:
    assert settled(answer) == means


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {}),
        Answer(200, {"items": []}),
        said(500, "InternalError"),
        said(500, "ServerTimeout", retry_after=1),
        said(502),
        said(503),
        said(503, retry_after=5),
        said(503, "ServiceUnavailable"),
        said(504, "Timeout", retry_after=1),
        said(302),
    ],
    ids=["empty-200", "foreign-200", "500", "server-timeout", "502", "bare-503", "proxy-503", "503", "504", "redirect"],
)
def test_what_may_have_been_done_is_unknown_and_has_no_time_to_retry(answer: Answer) -> None:
    result = settled(answer)

    assert isinstance(result, Unknown)
    assert result.retry_after is None


@pytest.mark.parametrize(
    ("answer", "after"),
    [(said(429, "TooManyRequests", 7), 7), (said(429), 1), (said(503, "ServiceUnavailable", 3), 3)],
    ids=["429", "bare-429", "own-503"],
)
def test_what_was_turned_away_unread_may_be_sent_again(answer: Answer, after: float) -> None:
    result = settled(answer)

    assert isinstance(result, Unknown)
    assert result.retry_after == after


@pytest.mark.parametrize(
    ("found", "means"),
    [
        (None, Gone),
        ({"metadata": {"uid": "u2", "resourceVersion": "7"}}, Gone),
        ({"metadata": {"uid": "u1", "resourceVersion": "8"}}, Conflict),
        (OBJECT, Refused),
    ],
    ids=["not-there", "recreated", "written-since", "as-it-was"],
)
def test_a_bare_422_is_told_by_the_object(found: Any, means: type) -> None:
    assert isinstance(reread(found, "u1", "7", "words"), means)


def test_the_object_that_the_server_repeats_in_an_error_is_not_passed_on() -> None:
    """It holds environment variables, and with them what people should have kept in Secrets."""
    words = (
        ' "" is invalid: patch: Invalid value: "{\\"env\\":\\"hunter2\\"}": strict decoding error: unknown field "x"'
    )
    answer = Answer(422, status(422, "Invalid", words, causes=[{"field": "patch", "message": words}]))

    result = settled(answer)

    assert result == Refused("Invalid", 'the patched object is invalid: strict decoding error: unknown field "x"')


def test_long_words_are_cut() -> None:
    assert len(Answer(400, status(400, "BadRequest", "x" * 9999)).message) <= LONGEST_WORDS + 2
