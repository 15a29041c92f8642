"""Restores of a service's database, and whether the world and it agree again.

A restored database does not know what went out after its backup. Who acts on the world from it
(touch) stands still until a person has reconciled the two and lifts the freeze.
"""

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.sql.tables import restore


@dataclass(frozen=True)
class Restore:
    """A restore that nobody has lifted the freeze of."""

    backup_id: str
    backup_ms: int
    """The moment that the data shows."""
    restored_ms: int


async def open_restore(session: AsyncSession) -> Restore | None:
    """The latest restore whose freeze was not lifted; None when there is none."""
    c = restore.c
    found = await session.execute(
        select(c.backup_id, c.backup_ms, c.restored_ms)
        .where(c.lifted_ms.is_(None))
        .order_by(c.restored_ms.desc())
        .limit(1)
    )
    row = found.first()
    return None if row is None else Restore(row.backup_id, row.backup_ms, row.restored_ms)


async def lift(session: AsyncSession, by: str, reason: str, now_ms: int) -> None:
    """Note who says so, when and why."""
    c = restore.c
    values = {"lifted_ms": now_ms, "lifted_by": by, "reason": reason}
    await session.execute(update(restore).where(c.lifted_ms.is_(None)).values(values))
