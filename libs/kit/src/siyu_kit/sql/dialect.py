"""What differs between databases, in one place."""

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, cast, func, literal_column
from sqlalchemy.ext.asyncio import AsyncSession


class Dialect(StrEnum):
    """The databases siyu speaks to (SQLAlchemy's dialect names)."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


MAX_PARAMETERS: Final = {Dialect.SQLITE: 32_766, Dialect.POSTGRESQL: 32_767}
"""Bind parameters one statement may carry."""


def dialect_of(session: AsyncSession) -> Dialect:
    """The database a session speaks to."""
    return Dialect(session.get_bind().dialect.name)


def now_ms(dialect: Dialect) -> ColumnElement[int]:
    """The database's clock in milliseconds: leases of several machines agree on it alone."""
    if dialect is Dialect.SQLITE:
        # 2440587.5 is the Julian day of 1970-01-01; SQLite keeps whole milliseconds inside.
        return literal_column(
            "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)", BigInteger
        )
    return cast(func.floor(func.extract("epoch", func.clock_timestamp()) * 1000), BigInteger)


def lesser(dialect: Dialect, left: ColumnElement[Any], right: ColumnElement[Any]) -> Any:
    """The smaller of two values, the other one when one is NULL."""
    if dialect is Dialect.SQLITE:
        # SQLite's scalar min() is NULL when any argument is.
        return func.min(func.coalesce(left, right), func.coalesce(right, left))
    return func.least(left, right)


def greater(dialect: Dialect, left: ColumnElement[Any], right: ColumnElement[Any]) -> Any:
    """The larger of two values, the other one when one is NULL."""
    if dialect is Dialect.SQLITE:
        return func.max(func.coalesce(left, right), func.coalesce(right, left))
    return func.greatest(left, right)
