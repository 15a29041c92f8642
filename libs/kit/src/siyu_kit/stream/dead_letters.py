"""Entries nobody could process: kept with their reason, listed, replayed."""

from dataclasses import dataclass

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.tables import dead_letter as table
from siyu_kit.stream.port import Entry

MAX_MESSAGE = 2_000


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
            project_id=project_id,
            payload=entry.payload if payload is None else payload,
            count=entry.count if payload is None else 1,
            kinds=entry.kinds,
            trace=entry.trace,
            reason=reason,
            message=message[:MAX_MESSAGE],
            created_ms=now_ms(dialect_of(session)),
        )
    )


async def list_open(
    session: AsyncSession, *, after_id: int = 0, limit: int = 100, reader: str | None = None
) -> list[DeadLetter]:
    """Dead letters not yet replayed, oldest first."""
    query = select(table).where(table.c.replayed_ms.is_(None), table.c.id > after_id)
    if reader is not None:
        query = query.where(table.c.reader == reader)
    rows = await session.execute(query.order_by(table.c.id).limit(limit))
    return [_dead_letter(row) for row in rows.mappings()]


async def mark_replayed(session: AsyncSession, dead_letter_id: int) -> bool:
    """Close a dead letter in the transaction that handled it; False when it was closed already."""
    closed = await session.execute(
        update(table)
        .where(table.c.id == dead_letter_id, table.c.replayed_ms.is_(None))
        .values(replayed_ms=now_ms(dialect_of(session)))
        .returning(table.c.id)
    )
    return closed.first() is not None


def _dead_letter(row: RowMapping) -> DeadLetter:
    entry = Entry(row["entry_id"], row["payload"], row["count"], row["kinds"], row["trace"])
    return DeadLetter(
        row["id"],
        row["reader"],
        row["topic"],
        row["partition"],
        entry,
        row["reason"],
        row["message"],
        row["created_ms"],
    )
