"""Insert or update, the only place that knows how each database says it.

One statement text per shape, so drivers prepare it once; long row lists are cut to the bind
parameter limit (several statements, the same transaction).
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Executable, Row, Table
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlmodel import SQLModel

from siyu_kit.sql.dialect import MAX_PARAMETERS, Dialect, dialect_of, greater, lesser

Existing = ColumnElement[Any]
Incoming = ColumnElement[Any]


class Merge(Enum):
    """How an incoming value meets the stored one. NULL is "nothing": the other value stays."""

    REPLACE = "replace"
    LEAST = "least"
    GREATEST = "greatest"
    ADD = "add"


Update = Sequence[str] | Mapping[str, Merge]
"""Columns to overwrite, or each column with its merge; empty: leave the stored row alone."""

Columns = ReadOnlyColumnCollection[str, Any]

Condition = Callable[[Columns, Columns], ColumnElement[bool]]
"""(stored columns, incoming columns) -> whether to update."""


async def upsert(
    session: AsyncSession,
    table: Table | type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    update: Update = (),
    where: Condition | None = None,
    returning: Sequence[str] = (),
) -> list[Row[Any]]:
    """Insert ``rows``; where ``key`` exists, apply ``update``, or nothing when it is empty.

    All rows carry the same columns. With ``returning``, gives back the rows inserted or updated
    (not those left alone), in no promised order. Two rows with the same key in one call raise
    ``ValueError`` when there is something to update: which one wins would be chance.
    """
    if not rows:
        return []
    target = table_of(table)
    if update:
        _refuse_doubles(rows, key)
    dialect = dialect_of(session)
    statement = upsert_statement(
        dialect, target, key=key, update=update, where=where, returning=returning
    )
    chunk = max(1, MAX_PARAMETERS[dialect] // len(rows[0]))
    found: list[Row[Any]] = []
    for start in range(0, len(rows), chunk):
        result = await session.execute(statement, list(rows[start : start + chunk]))
        if returning:
            found.extend(result.all())
    return found


def upsert_statement(
    dialect: Dialect,
    table: Table,
    *,
    key: Sequence[str],
    update: Update = (),
    where: Condition | None = None,
    returning: Sequence[str] = (),
) -> Executable:
    """The statement for one shape of upsert; execute it with a list of rows."""
    insert = sqlite_insert if dialect is Dialect.SQLITE else postgresql_insert
    statement = insert(table)
    keys = [table.c[name] for name in key]
    if update:
        merges = as_merges(update)
        incoming = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=keys,
            set_={
                name: _merged(dialect, merge, table.c[name], incoming[name])
                for name, merge in merges.items()
            },
            where=where(table.c, incoming) if where else None,
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    if not returning:
        return statement
    return statement.returning(*(table.c[name] for name in returning))


def table_of(table: Table | type[SQLModel]) -> Table:
    """The table behind a SQLModel class, or the table itself."""
    if isinstance(table, Table):
        return table
    model_table: Table = table.__table__  # type: ignore[attr-defined]
    return model_table


def as_merges(update: Update) -> dict[str, Merge]:
    """The long form of ``Update``."""
    if isinstance(update, Mapping):
        return dict(update)
    return dict.fromkeys(update, Merge.REPLACE)


def _merged(dialect: Dialect, merge: Merge, existing: Existing, incoming: Incoming) -> Any:
    match merge:
        case Merge.REPLACE:
            return incoming
        case Merge.LEAST:
            return lesser(dialect, existing, incoming)
        case Merge.GREATEST:
            return greater(dialect, existing, incoming)
        case Merge.ADD:
            return existing + incoming


def _refuse_doubles(rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    seen = {tuple(row[name] for name in key) for row in rows}
    if len(seen) != len(rows):
        raise ValueError(f"rows share a key ({', '.join(key)}) in one upsert")
