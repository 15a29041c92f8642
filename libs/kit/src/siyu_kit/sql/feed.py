"""A feed's rows in the outbox: from unordered and unnumbered to a dense sequence.

Rows of the outbox become visible in commit order, which is not id order where writers run side
by side: a cursor ``id > last`` skips what commits late. So no cursor is kept: whatever is visible
and has no number yet gets one, in the order of ids. A row that commits late gets a later number.
Of two changes that depend on each other the second had to wait for the first one's commit before
it added its row, so its id is higher and it is numbered no earlier: causes precede effects.
(Transaction ids would not do: a transaction has its id before it waits for a lock.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.tables import feed, outbox
from siyu_kit.sql.upsert import upsert


@dataclass(frozen=True, slots=True)
class Feed:
    """A topic's partition as the outbox knows it."""

    topic: str
    partition: int = 0


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A numbered row."""

    sequence: int
    project_id: str
    payload: bytes
    count: int
    kinds: int
    trace: str | None


@dataclass(frozen=True, slots=True)
class FeedHead:
    """The last sequence assigned and the last one known to be published; 0 before the first."""

    sequence: int
    published: int


async def head(session: AsyncSession, of: Feed) -> FeedHead:
    """How far the feed is."""
    result = await session.execute(
        select(feed.c.sequence, feed.c.published).where(_is_feed(feed.c, of))
    )
    row = result.first()
    return FeedHead(row.sequence, row.published) if row else FeedHead(0, 0)


async def waiting(session: AsyncSession, of: Feed) -> bool:
    """Whether committed rows wait for a number."""
    result = await session.execute(select(outbox.c.id).where(_is_pending(of)).limit(1))
    return result.first() is not None


async def assign(session: AsyncSession, of: Feed, limit: int) -> dict[int, int]:
    """Number up to ``limit`` committed rows; returns row id -> sequence.

    The caller holds the feed's lease and fences in this transaction, so there is one at a time.
    """
    row = {"topic": of.topic, "partition": of.partition, "sequence": 0, "published": 0}
    await upsert(session, feed, [row], key=["topic", "partition"])
    base = (await head(session, of)).sequence
    pending = (
        select(outbox.c.id, func.row_number().over(order_by=outbox.c.id).label("number"))
        .where(_is_pending(of))
        .order_by(outbox.c.id)
        .limit(limit)
        .subquery()
    )
    numbered = await session.execute(
        update(outbox)
        .where(outbox.c.id == pending.c.id)
        .values(sequence=base + pending.c.number)
        .returning(outbox.c.id, outbox.c.sequence)
    )
    sequences = _as_dict(numbered)
    if sequences:
        await session.execute(
            update(feed).where(_is_feed(feed.c, of)).values(sequence=base + len(sequences))
        )
    return sequences


async def rows_after(session: AsyncSession, of: Feed, after: int, limit: int) -> list[FeedRow]:
    """Numbered rows with ``sequence > after`` in order: what a feed's owner answers from."""
    c = outbox.c
    result = await session.execute(
        select(c.sequence, c.project_id, c.payload, c.count, c.kinds, c.trace)
        .where(_is_feed(c, of), c.sequence > after)
        .order_by(c.sequence)
        .limit(limit)
    )
    return [FeedRow(*row) for row in result]


async def mark_published(session: AsyncSession, of: Feed, sequence: int) -> None:
    """Everything up to ``sequence`` is in the stream."""
    await session.execute(
        update(feed)
        .where(_is_feed(feed.c, of), feed.c.published < sequence)
        .values(published=sequence)
    )


async def sequences_of(session: AsyncSession, row_ids: Iterable[int]) -> dict[int, int]:
    """The numbers these rows have got so far."""
    result = await session.execute(
        select(outbox.c.id, outbox.c.sequence).where(
            outbox.c.id.in_(list(row_ids)), outbox.c.sequence.is_not(None)
        )
    )
    return _as_dict(result)


async def prune(session: AsyncSession, of: Feed, keep_ms: int, limit: int = 5_000) -> int:
    """Delete published rows older than ``keep_ms``, at most ``limit``; returns how many."""
    published = (await head(session, of)).published
    oldest_kept = now_ms(dialect_of(session)) - keep_ms
    old = (
        select(outbox.c.id)
        .where(
            _is_feed(outbox.c, of), outbox.c.sequence <= published,
            outbox.c.created_ms < oldest_kept,
        )
        .order_by(outbox.c.sequence)
        .limit(limit)
    )  # fmt: skip
    gone = await session.execute(delete(outbox).where(outbox.c.id.in_(old)).returning(outbox.c.id))
    return len(gone.all())


def _as_dict(rows: Iterable[Any]) -> dict[int, int]:
    return {row[0]: row[1] for row in rows}


def _is_feed(columns: ReadOnlyColumnCollection[str, Any], of: Feed) -> ColumnElement[bool]:
    return and_(columns.topic == of.topic, columns.partition == of.partition)


def _is_pending(of: Feed) -> ColumnElement[bool]:
    return and_(_is_feed(outbox.c, of), outbox.c.sequence.is_(None))
