"""Long lists of keys, cut to what one statement may carry."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

_AT_ONCE: Final = 5_000


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in order, some thousands at a time."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
