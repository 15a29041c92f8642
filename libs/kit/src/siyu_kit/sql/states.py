"""The state of a service's database for its metrics: pools, leases, outbox, dead letters."""

import socket
from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit import metric_defs
from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.engine import Database
from siyu_kit.sql.tables import dead_letter, feed, lease, outbox
from siyu_kit.vitals import Probe, Reading

_HOST: Final = socket.gethostname()


def database_probe(database: Database) -> Probe:
    """What every service with a database reports."""

    async def look() -> Sequence[Reading]:
        async with database.session() as session:
            return [
                *_pools(database),
                *await _leases(session),
                *await _outbox(session),
                *await _dead_letters(session),
            ]

    return look


def _pools(database: Database) -> list[Reading]:
    return [
        reading
        for pool in database.pools()
        for reading in (
            Reading(metric_defs.SQL_CONNECTIONS, pool.in_use, {"pool": pool.name}),
            Reading(metric_defs.SQL_POOL_LIMIT, pool.limit, {"pool": pool.name}),
        )
    ]


async def _leases(session: AsyncSession) -> list[Reading]:
    rows = await session.execute(
        select(lease.c.name, lease.c.expires_ms > now_ms(dialect_of(session))).where(
            lease.c.holder == _HOST
        )
    )
    # A lease of the place itself has its name at the end, which would make ever more labels.
    return [
        Reading(metric_defs.LEASE_HELD, int(held), {"lease": name.removesuffix(f".{_HOST}")})
        for name, held in rows
    ]


async def _outbox(session: AsyncSession) -> list[Reading]:
    """Two small looks that each have an index: what has left stays in the table for days."""
    now = int(await session.scalar(select(now_ms(dialect_of(session)))) or 0)
    waiting = (func.count(), func.coalesce(func.min(outbox.c.created_ms), now))
    pending = await session.execute(
        select(outbox.c.topic, *waiting).where(outbox.c.sequence.is_(None)).group_by(outbox.c.topic)
    )
    unnumbered = {topic: (rows, oldest) for topic, rows, oldest in pending}
    readings: list[Reading] = []
    feeds = await session.execute(select(feed.c.topic, feed.c.partition, feed.c.published))
    for topic, partition, published in feeds:
        numbered = await session.execute(
            select(*waiting).where(
                outbox.c.topic == topic,
                outbox.c.partition == partition,
                outbox.c.sequence > published,
            )
        )
        rows, oldest = numbered.one()
        new, oldest_new = unnumbered.pop(topic, (0, now))
        readings += _backlog(topic, new, rows, now - min(oldest, oldest_new))
    for topic, (new, oldest) in unnumbered.items():  # of a relay that has numbered nothing yet
        readings += _backlog(topic, new, 0, now - oldest)
    return readings


def _backlog(topic: str, unnumbered: int, unpublished: int, age_ms: int) -> list[Reading]:
    of = {"topic": topic}
    return [
        Reading(metric_defs.OUTBOX_UNNUMBERED, unnumbered, of),
        Reading(metric_defs.OUTBOX_UNPUBLISHED, unpublished, of),
        Reading(metric_defs.OUTBOX_WAITING, max(0, age_ms) / 1000, of),
    ]


async def _dead_letters(session: AsyncSession) -> list[Reading]:
    rows = await session.execute(
        select(dead_letter.c.reader, dead_letter.c.topic, func.count())
        .where(dead_letter.c.replayed_ms.is_(None))
        .group_by(dead_letter.c.reader, dead_letter.c.topic)
    )
    return [
        Reading(metric_defs.DEAD_LETTERS_OPEN, number, {"reader": reader, "topic": topic})
        for reader, topic, number in rows
    ]
