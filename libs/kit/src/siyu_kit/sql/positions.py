"""Where a reader is, kept in its own database beside the effects of what it read."""

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.errors import DataLoss
from siyu_kit.sql.tables import position as table
from siyu_kit.sql.upsert import upsert
from siyu_kit.stream.port import START


async def load(
    session: AsyncSession, reader: str, topic: str, partitions: Iterable[int]
) -> dict[int, str]:
    """The committed positions; ``START`` where there is none yet."""
    result = await session.execute(
        select(table.c.partition, table.c.position).where(
            table.c.reader == reader, table.c.topic == topic
        )
    )
    known = {row[0]: row[1] for row in result}
    return {partition: known.get(partition, START) for partition in partitions}


async def move(
    session: AsyncSession, reader: str, topic: str, partition: int, before: str, after: str
) -> None:
    """Move on in the transaction that carries the effect.

    Raises ``DataLoss`` unless the position still is ``before``: somebody else moved it, and the
    effect of this transaction must not stay.
    """
    row = {"reader": reader, "topic": topic, "partition": partition, "position": START}
    if before == START:
        await upsert(session, table, [row], key=["reader", "topic", "partition"])
    moved = await session.execute(
        update(table)
        .where(
            table.c.reader == reader,
            table.c.topic == topic,
            table.c.partition == partition,
            table.c.position == before,
        )
        .values(position=after)
        .returning(table.c.position)
    )
    if moved.first() is None:
        raise DataLoss(
            "POSITION_MOVED", "another reader moved the position", reader=reader, topic=topic
        )
