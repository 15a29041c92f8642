"""The record of what people did about dead letters, and why."""

from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.tables import dead_letter_change as table


@dataclass(frozen=True, slots=True)
class Note:
    """Who does something, and why."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """What was done; ``payload`` is what a fix replaced."""

    action: str
    actor: str
    reason: str
    payload: bytes | None
    created_ms: int


async def add(
    session: AsyncSession,
    dead_letter_id: int,
    action: str,
    note: Note,
    payload: bytes | None = None,
) -> None:
    """Record a change in the transaction that makes it."""
    await session.execute(
        insert(table).values(
            dead_letter_id=dead_letter_id,
            action=action,
            actor=note.actor,
            reason=note.reason,
            payload=payload,
            created_ms=now_ms(dialect_of(session)),
        )
    )


async def last_actor(session: AsyncSession, dead_letter_id: int, action: str) -> str | None:
    """Who did this last about a dead letter; None: nobody."""
    c = table.c
    actor: str | None = await session.scalar(
        select(c.actor)
        .where(c.dead_letter_id == dead_letter_id, c.action == action)
        .order_by(c.id.desc())
        .limit(1)
    )
    return actor


async def of(session: AsyncSession, dead_letter_id: int) -> list[Change]:
    """What was done about a dead letter, oldest first."""
    c = table.c
    rows = await session.execute(
        select(c.action, c.actor, c.reason, c.payload, c.created_ms)
        .where(c.dead_letter_id == dead_letter_id)
        .order_by(c.id)
    )
    return [Change(*row) for row in rows]
