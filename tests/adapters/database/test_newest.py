"""Nothing new in the log: said without asking only where no one else writes and nothing of ours is under way."""

import pytest

from controller.adapters.database.newest import Newest


def test_nothing_is_known_before_the_log_was_read() -> None:
    assert not Newest(alone=True).nothing_after(10)


@pytest.mark.parametrize(("after", "nothing"), [(4, False), (5, True), (6, True)])
def test_what_was_read_to_its_end_holds_nothing_more(after: int, nothing: bool) -> None:
    newest = Newest(alone=True)
    newest.read_to(5, newest.mark())

    assert newest.nothing_after(after) is nothing


def test_where_others_write_too_the_log_is_always_asked() -> None:
    newest = Newest(alone=False)
    newest.read_to(5, newest.mark())

    assert not newest.nothing_after(5)


def test_a_commit_that_began_or_ended_while_the_log_was_read_voids_the_reading() -> None:
    newest = Newest(alone=True)
    before = newest.mark()
    with newest.committing():
        newest.read_to(5, before)
        assert not newest.nothing_after(5)
        during = newest.mark()
    newest.read_to(5, during)

    assert not newest.nothing_after(5)


def test_a_commit_that_failed_may_have_come_through() -> None:
    newest = Newest(alone=True)
    newest.read_to(5, newest.mark())
    with pytest.raises(OSError, match="full"), newest.committing():
        raise OSError("the disk is full")

    assert not newest.nothing_after(5)
