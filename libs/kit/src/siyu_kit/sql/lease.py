"""Leases in a database table, with fencing epochs.

A holder may be paused for longer than its lease and wake up believing it still owns it. So the
lease alone proves nothing: what counts is ``fence``, which runs inside the committing
transaction and fails when the epoch has moved on. Expiry is judged by the database's clock.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.errors import DependencyDown
from siyu_kit.failpoints import failpoint
from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.engine import Database
from siyu_kit.sql.tables import lease as table
from siyu_kit.sql.upsert import upsert

# An answer that takes a larger part of the lease's time comes too late to be of use; a busy
# database gets a while in any case.
_PATIENCE: Final = 0.6
_LEAST_PATIENCE_S: Final = 2.0


@asynccontextmanager
async def in_time(ttl_s: float) -> AsyncIterator[None]:
    """Let a keeper of leases that does not answer in time count as one that is down."""
    try:
        async with asyncio.timeout(max(ttl_s * _PATIENCE, _LEAST_PATIENCE_S)):
            yield
    except TimeoutError as error:
        raise DependencyDown("DATABASE_DOWN", "database: no answer in time") from error


class LeaseLost(Exception):
    """Another holder has taken over; nothing of the running transaction may stay."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Proof of an acquisition: the epoch is the fencing token."""

    name: str
    holder: str
    epoch: int
    ttl_s: float


async def fence(session: AsyncSession, held: Lease) -> None:
    """Check the epoch in this transaction and extend the lease; raises ``LeaseLost``.

    The row stays locked until the commit, so nobody can take over in between. Call it last: it
    is the shortest time to hold that lock.
    """
    now = now_ms(dialect_of(session))
    result = await session.execute(
        update(table)
        .where(table.c.name == held.name, table.c.epoch == held.epoch)
        .values(expires_ms=now + int(held.ttl_s * 1000))
        .returning(table.c.epoch)
    )
    if result.first() is None:
        raise LeaseLost(held.name)


class Leases:
    """Acquire, renew and release leases of one service.

    ``holder`` names this process's place (host or pod). A restarted process takes its own lease
    back at once, the first time it asks; anyone else waits for the expiry.
    """

    def __init__(
        self, database: Database, *, holder: str | None = None, ttl_s: float = 10.0
    ) -> None:
        self.ttl_s = ttl_s
        self._database = database
        self._holder = holder or socket.gethostname()
        self._asked: set[str] = set()

    async def acquire(self, name: str) -> Lease | None:
        """Take the lease if it is free; None while another holds it."""
        async with in_time(self.ttl_s):
            return await self._acquire(name)

    async def _acquire(self, name: str) -> Lease | None:
        if not await self._is_free(name):
            return None
        async with self._database.transaction() as session:
            free_row = {"name": name, "holder": "", "epoch": 0, "expires_ms": 0}
            await upsert(session, table, [free_row], key=["name"])
            now = now_ms(self._database.dialect)
            result = await session.execute(
                update(table)
                .where(table.c.name == name, self._may_take(name))
                .values(
                    holder=self._holder,
                    epoch=table.c.epoch + 1,
                    expires_ms=now + int(self.ttl_s * 1000),
                )
                .returning(table.c.epoch)
            )
            epoch = result.scalar()
            failpoint("lease.before_acquire_commit")
        if epoch is None:
            return None
        failpoint("lease.after_acquire")
        self._asked.add(name)
        return Lease(name, self._holder, epoch, self.ttl_s)

    async def renew(self, held: Lease) -> None:
        """Extend the lease by its whole time; raises ``LeaseLost``."""
        async with in_time(self.ttl_s), self._database.transaction() as session:
            await fence(session, held)
            failpoint("lease.before_renew_commit")

    async def release(self, held: Lease) -> None:
        """Let others have it at once; does nothing when it is lost already."""
        async with self._database.transaction() as session:
            await session.execute(
                update(table)
                .where(table.c.name == held.name, table.c.epoch == held.epoch)
                .values(holder="", expires_ms=0)
            )

    async def aclose(self) -> None:
        """The database is closed by who opened it."""

    def _may_take(self, name: str) -> ColumnElement[bool]:
        expired = table.c.expires_ms <= now_ms(self._database.dialect)
        if name in self._asked:
            return expired
        return or_(expired, table.c.holder == self._holder)

    async def _is_free(self, name: str) -> bool:
        """Look before writing: a process that stands by must not cost a write at every look."""
        async with self._database.session() as session:
            taken = await session.execute(
                select(table.c.name).where(and_(table.c.name == name, ~self._may_take(name)))
            )
            return taken.first() is None
