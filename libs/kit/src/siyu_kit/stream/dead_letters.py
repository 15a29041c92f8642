"""Entries nobody could process: kept with their reason, listed, mended, closed."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.tables import dead_letter as table
from siyu_kit.sql.tables import dead_letter_change as change
from siyu_kit.stream.port import Entry

MAX_MESSAGE = 2_000
FIX = "fix"
"""The change that replaces a payload."""


class State(Enum):
    """What became of a dead letter."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A stored dead letter. ``entry`` is what would be handled again."""

    id: int
    reader: str
    topic: str
    partition: int
    entry: Entry
    reason: str
    message: str
    created_ms: int
    project_id: str
    state: State
    fixed: bool


async def record(
    session: AsyncSession,
    *,
    reader: str,
    topic: str,
    partition: int,
    entry: Entry,
    reason: str,
    message: str,
    project_id: str = "",
    payload: bytes | None = None,
) -> None:
    """Keep an entry, or with ``payload`` the part of it that failed, in the running transaction."""
    await session.execute(
        insert(table).values(
            reader=reader,
            topic=topic,
            partition=partition,
            entry_id=entry.id,
            project_id=project_id or entry.project_id,
            payload=entry.payload if payload is None else payload,
            count=entry.count if payload is None else 1,
            kinds=entry.kinds,
            trace=entry.trace,
            reason=reason,
            message=message[:MAX_MESSAGE],
            created_ms=now_ms(dialect_of(session)),
        )
    )


async def list_letters(
    session: AsyncSession,
    *,
    state: State = State.OPEN,
    project_id: str | None = None,
    reader: str | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> list[DeadLetter]:
    """Dead letters in a state, oldest first; None: of every project, of every reader."""
    query = _letters().where(_is(state), table.c.id > after_id)
    if reader is not None:
        query = query.where(table.c.reader == reader)
    if project_id is not None:
        query = query.where(table.c.project_id == project_id)
    rows = await session.execute(query.order_by(table.c.id).limit(limit))
    return [_dead_letter(row) for row in rows.mappings()]


async def find(session: AsyncSession, dead_letter_id: int) -> DeadLetter | None:
    """The dead letter of this number."""
    rows = await session.execute(_letters().where(table.c.id == dead_letter_id))
    row = rows.mappings().first()
    return None if row is None else _dead_letter(row)


async def count_open(session: AsyncSession, reader: str, topic: str) -> int:
    """Open dead letters of a reader."""
    mine = and_(_is(State.OPEN), table.c.reader == reader, table.c.topic == topic)
    return int(await session.scalar(select(func.count()).select_from(table).where(mine)) or 0)


async def replace_payload(
    session: AsyncSession, dead_letter_id: int, payload: bytes, count: int
) -> bool:
    """Give an open dead letter another content; False when it is closed."""
    return await _update(session, dead_letter_id, payload=payload, count=count)


async def close(session: AsyncSession, dead_letter_id: int, state: State) -> bool:
    """Close a dead letter; False when it was closed already."""
    now = now_ms(dialect_of(session))
    return await _update(session, dead_letter_id, **{f"{state.value}_ms": now})


async def _update(session: AsyncSession, dead_letter_id: int, **values: object) -> bool:
    changed = await session.execute(
        update(table)
        .where(table.c.id == dead_letter_id, _is(State.OPEN))
        .values(**values)
        .returning(table.c.id)
    )
    return changed.first() is not None


def _letters() -> Select[Any]:
    """All columns, and whether a person replaced the content."""
    of = and_(change.c.dead_letter_id == table.c.id, change.c.action == FIX)
    return select(table, exists().where(of).label("fixed"))


def _is(state: State) -> ColumnElement[bool]:
    if state is State.OPEN:
        return and_(table.c.replayed_ms.is_(None), table.c.discarded_ms.is_(None))
    return table.c[f"{state.value}_ms"].is_not(None)


def _dead_letter(row: RowMapping) -> DeadLetter:
    entry = Entry(
        row["entry_id"], row["payload"], row["count"], row["kinds"], row["trace"],
        project_id=row["project_id"],
    )  # fmt: skip
    closed = State.DISCARDED if row["discarded_ms"] is not None else State.REPLAYED
    is_open = row["replayed_ms"] is None and row["discarded_ms"] is None
    return DeadLetter(
        row["id"],
        row["reader"],
        row["topic"],
        row["partition"],
        entry,
        row["reason"],
        row["message"],
        row["created_ms"],
        row["project_id"],
        State.OPEN if is_open else closed,
        bool(row["fixed"]),
    )
