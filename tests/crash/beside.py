"""Stories side by side: each mostly waits, so all that were chosen are played while the first is looked at."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pytest

S = TypeVar("S")
T = TypeVar("T")

AT_ONCE = 6
"""How many at the same time."""


@contextmanager
def played(
    items: Sequence[pytest.Item], kind: type[S], play: Callable[[S], T], about: Callable[[S], bool] = lambda _: True
) -> Iterator[Mapping[S, "Future[T]"]]:
    """What becomes of every parameter of this kind (and `about` what is wanted) that the chosen tests have; what nobody
    waits for is not begun.
    """
    callspecs = (getattr(item, "callspec", None) for item in items)
    values = (value for spec in callspecs if spec is not None for value in spec.params.values())
    wanted = dict.fromkeys(value for value in values if isinstance(value, kind) and about(value))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {value: pool.submit(play, value) for value in wanted}
        pool.shutdown(cancel_futures=True)
