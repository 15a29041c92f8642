"""The outbox: what must be told to others is a row of the transaction that made it true."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.tables import outbox as table


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message to publish: payload, how many changes are in it, kind mask, traceparent."""

    project_id: str
    payload: bytes
    count: int = 1
    kinds: int = 0
    trace: str | None = None


class Outbox:
    """Adds rows, and wakes the relay of this process when they are committed."""

    def __init__(self) -> None:
        self.committed = asyncio.Event()

    async def add(
        self,
        session: AsyncSession,
        topic: str,
        project_id: str,
        payload: bytes,
        trace: str | None = None,
        *,
        count: int = 1,
        kinds: int = 0,
        partition: int = 0,
    ) -> int:
        """Add one message to the running transaction; returns its row id (not its sequence)."""
        message = OutboxMessage(project_id, payload, count, kinds, trace)
        return (await self.add_many(session, topic, [message], partition=partition))[0]

    async def add_many(
        self,
        session: AsyncSession,
        topic: str,
        messages: Sequence[OutboxMessage],
        *,
        partition: int = 0,
    ) -> list[int]:
        """Add messages in order; returns their row ids."""
        ids: list[int] = []
        dialect = dialect_of(session)
        # One cached text; the driver layer makes multi-row statements of it, in order.
        statement = (
            insert(table)
            .values(
                topic=topic,
                partition=partition,
                created_ms=now_ms(dialect),
            )
            .returning(table.c.id)
        )
        if messages:
            inserted = await session.execute(statement, [_values(message) for message in messages])
            ids = sorted(inserted.scalars())
        if ids:
            event.listen(session.sync_session, "after_commit", self._wake, once=True)
        return ids

    def _wake(self, _session: object) -> None:
        self.committed.set()


def _values(message: OutboxMessage) -> dict[str, object]:
    return {
        "project_id": message.project_id,
        "payload": message.payload,
        "count": message.count,
        "kinds": message.kinds,
        "trace": message.trace,
    }
