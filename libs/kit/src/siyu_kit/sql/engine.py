"""One way to open a database: SQLite or PostgreSQL behind the same two context managers.

``transaction()`` writes, ``session()`` only reads and sees one snapshot. On SQLite there is one
writer at a time (WAL, so readers never wait for it); on PostgreSQL writers run side by side at
READ COMMITTED and reads at REPEATABLE READ, READ ONLY.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Final, NamedTuple, Protocol, cast

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.pool import QueuePool

from siyu_kit.sql.dialect import Dialect
from siyu_kit.sql.postgresql import postgresql_engine
from siyu_kit.sql.sql_errors import connecting, surfaced
from siyu_kit.sql.sqlite import sqlite_engine

_GIVE_BACK_S: Final = 2.0
"""How long closing waits for connections in use: calls that were cancelled a moment ago end."""


class PoolState(NamedTuple):
    """Connections of one pool."""

    name: str
    in_use: int
    limit: int


class CommitWitness(Protocol):
    """Adds to what a transaction commits, as its last step."""

    async def before_commit(self, session: AsyncSession) -> bool:
        """Whether it added something, and wants to know that it is there."""
        ...

    def after_commit(self) -> None:
        """What it added is committed."""
        ...


class Database:
    """A service's own database; create it inside the running loop and ``aclose`` it.

    A database that cannot be reached, is full or runs into its time limits raises
    ``DependencyDown``, deadlocks ``Conflict``, an exhausted pool ``TooBusy``; other errors
    (constraints above all) pass as SQLAlchemy's own.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        statement_timeout_s: float = 30.0,
        idle_in_transaction_s: float = 15.0,
        connect_timeout_s: float = 5.0,
    ) -> None:
        parsed = make_url(url)
        self.witness: CommitWitness | None = None
        self.dialect = Dialect(parsed.get_backend_name())
        self._turn: asyncio.Lock | None = None
        if self.dialect is Dialect.SQLITE:
            self._turn = asyncio.Lock()
            self._writer = sqlite_engine(parsed, "IMMEDIATE", pool_size=1)
            self._reader = sqlite_engine(parsed, "DEFERRED", pool_size=pool_size)
        else:
            self._writer = postgresql_engine(
                parsed, pool_size, statement_timeout_s, idle_in_transaction_s, connect_timeout_s
            )
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._writes = async_sessionmaker(self._writer, expire_on_commit=False)
        self._reads = async_sessionmaker(self._reader, expire_on_commit=False, autoflush=False)

    @property
    def writer(self) -> AsyncEngine:
        """The engine under ``transaction()``, for migrations."""
        return self._writer

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Read one consistent snapshot; a write in it fails."""
        with surfaced():
            async with self._reads() as session:
                with connecting():
                    await session.connection()
                yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Write; commits when the block ends, rolls back when it raises."""
        with surfaced():
            async with self._one_writer(), self._writes() as session:
                with connecting():
                    await session.connection()
                yield session
                await self._commit(session)

    def pools(self) -> list[PoolState]:
        """How busy the connections are now; PostgreSQL has one pool for both."""
        engines = {"write": self._writer}
        if self.dialect is Dialect.SQLITE:
            engines["read"] = self._reader
        queues = {name: cast("QueuePool", engine.pool) for name, engine in engines.items()}
        return [PoolState(name, pool.checkedout(), pool.size()) for name, pool in queues.items()]

    async def ping(self) -> None:
        """Return when the database answers, raise ``DependencyDown`` otherwise."""
        async with self.session() as session:
            await session.execute(text("SELECT 1"))

    async def aclose(self) -> None:
        """Close every connection; those in use are waited for, since the pool forgets them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_BACK_S):
                while any(pool.in_use for pool in self.pools()):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
        await self._writer.dispose()
        if self.dialect is Dialect.SQLITE:
            await self._reader.dispose()

    async def _commit(self, session: AsyncSession) -> None:
        added = self.witness is not None and await self.witness.before_commit(session)
        await session.commit()
        if added and self.witness is not None:
            self.witness.after_commit()

    def _one_writer(self) -> AbstractAsyncContextManager[None]:
        return self._turn or nullcontext()
