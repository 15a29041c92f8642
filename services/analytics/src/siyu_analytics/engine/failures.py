"""The engine's errors in domain words. Codes are ClickHouse's own, the same for every transport."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from siyu_kit.errors import DeadlineExceeded, DependencyDown, InvalidInput, QuotaExceeded

_TIMEOUT: Final = frozenset({159, 160})
_CANCELLED: Final = 394
_TOO_MANY_ROWS: Final = 158
_TOO_LARGE: Final = frozenset({_TOO_MANY_ROWS, 191, 241, 307, 396})
_NO_SPACE: Final = frozenset({243, 252, 253})
# Everything that reading a malformed message may end in.
_UNREADABLE: Final = frozenset({6, 27, 32, 33, 36, 53, 117, 349, 432, 433, 444, 691})


def reads_too_many_rows(error: Exception) -> bool:
    """Whether a statement was stopped because it would read more rows than it was given."""
    return getattr(error, "code", None) == _TOO_MANY_ROWS


@contextmanager
def surfaced(*, decoding: bool = False) -> Iterator[None]:
    """Raise a DomainError for what is a limit or the data's fault; the rest passes as it is."""
    from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

    try:
        yield
    except DatabaseError as error:
        code = error.code or 0
        if code == 0 and isinstance(error, OperationalError):
            raise DependencyDown(
                "DEPENDENCY_DOWN", "the event store cannot be reached", dependency="event store"
            ) from error
        if decoding and code in _UNREADABLE:
            raise InvalidInput(
                "UNREADABLE_PAYLOAD", "the engine cannot read these messages"
            ) from error
        if code in _TIMEOUT or code == _CANCELLED:
            raise DeadlineExceeded(
                "DEADLINE_EXCEEDED", "the query ran out of time", method="query"
            ) from error
        if code in _TOO_LARGE:
            raise QuotaExceeded(
                "QUERY_TOO_LARGE",
                "the query needs more than one query may have",
                limit=error.name or str(code),
            ) from error
        if code in _NO_SPACE:
            raise DependencyDown(
                "DEPENDENCY_DOWN", "the event store takes no more", dependency="event store"
            ) from error
        raise
