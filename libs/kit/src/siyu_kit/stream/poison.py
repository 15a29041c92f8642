"""Whose fault an error is: the entry's, the surroundings', or ours."""

from typing import Final

from google.protobuf.message import DecodeError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from siyu_kit.errors import (
    Conflict,
    DataLoss,
    DependencyDown,
    DomainError,
    InternalError,
    PermissionDenied,
    QuotaExceeded,
    Unauthenticated,
    Unimplemented,
)
from siyu_kit.stream.port import InvalidMessage

TRANSIENT: Final = (DependencyDown, QuotaExceeded, Conflict, Unauthenticated, PermissionDenied)
"""The entry is fine and the surroundings are not: wait and try again, never a dead letter."""

_FATAL: Final = (DataLoss, InternalError, Unimplemented)
# SQLSTATE classes "data exception" and "integrity constraint violation".
_DATA_STATES: Final = ("22", "23")


def poison_reason(error: Exception) -> str | None:
    """Why the entry itself cannot be processed; None when the error is not the entry's."""
    if isinstance(error, InvalidMessage):
        return error.reason
    if isinstance(error, DecodeError):
        return "UNREADABLE_PAYLOAD"
    if isinstance(error, DomainError):
        return None if isinstance(error, TRANSIENT + _FATAL) else error.reason
    if isinstance(error, DBAPIError) and _is_about_data(error):
        return "REFUSED_BY_DATABASE"
    return None


def _is_about_data(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return isinstance(error, DataError | IntegrityError) or state.startswith(_DATA_STATES)
