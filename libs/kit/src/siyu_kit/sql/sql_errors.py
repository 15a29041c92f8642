"""Which database failures are the database's, and how they leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg  # type: ignore[import-untyped]
from asyncpg.pgproto.pgproto import BufferError as ShortMessage  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from siyu_kit.errors import Conflict, DependencyDown, InvalidInput, TooBusy

# SQLSTATE classes: connection, resources, operator intervention (shutdown, timeouts), I/O.
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57", "58")
# "Data exception": too long, out of range, not text in the database's encoding.
_DATA_CLASS: Final = "22"
_CONFLICT_STATES: Final = frozenset({"40001", "40P01", "55P03"})
_SQLITE_UNAVAILABLE: Final = (
    "database is locked", "database table is locked", "disk i/o error", "disk is full",
    "unable to open database", "readonly database", "file is not a database",
)  # fmt: skip
_POOL_RETRY_S: Final = 0.5

BROKEN: Final = (
    asyncpg.InterfaceError, asyncpg.InternalClientError, ShortMessage,
    OSError, EOFError, BufferError, TimeoutError,
)  # fmt: skip
"""What asyncpg raises when it and the server no longer understand one another."""


@contextmanager
def connecting() -> Iterator[None]:
    """Around the first use of a connection: whatever fails there, the database is down."""
    try:
        yield
    except (TooBusy, DependencyDown):
        raise
    except PoolTimeoutError as error:
        raise _too_busy() from error
    except (*BROKEN, asyncpg.PostgresError, ValueError) as error:
        raise _down(error) from error
    except DBAPIError as error:
        raise _down(error) from error


@contextmanager
def surfaced() -> Iterator[None]:
    """Around a session: infrastructure failures become domain errors, the rest passes."""
    try:
        yield
    except PoolTimeoutError as error:
        raise _too_busy() from error
    except DBAPIError as error:
        raise _translated(error) from error


def _translated(error: DBAPIError) -> Exception:
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in _CONFLICT_STATES:
        return Conflict("DATABASE_CONFLICT", "a concurrent transaction won", sqlstate=state)
    if state.startswith(_DATA_CLASS):
        return InvalidInput("FIELD_INVALID", "a value does not fit the database", sqlstate=state)
    if error.connection_invalidated or state.startswith(_UNAVAILABLE_CLASSES):
        return _down(error, state)
    if isinstance(error, OperationalError) and _is_sqlite_trouble(str(error.orig)):
        return _down(error)
    return error


def _is_sqlite_trouble(text: str) -> bool:
    return any(known in text.lower() for known in _SQLITE_UNAVAILABLE)


def _down(error: Exception, sqlstate: str = "") -> DependencyDown:
    cause = getattr(error, "orig", None) or error
    return DependencyDown("DATABASE_DOWN", f"database: {type(cause).__name__}", sqlstate=sqlstate)


def _too_busy() -> TooBusy:
    return TooBusy(
        "DATABASE_BUSY", "every database connection is in use", retry_after_s=_POOL_RETRY_S
    )
