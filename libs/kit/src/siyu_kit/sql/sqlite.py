"""The SQLite engine: WAL, an fsync at every commit, explicit BEGIN."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

Begin = Literal["IMMEDIATE", "DEFERRED"]

_WAL_ATTEMPTS: Final = 100
_LOOK_EVERY: Final = 50_000
"""Steps of SQLite's machine between two looks whether anybody still waits: about a millisecond."""
_PRAGMAS: Final = (
    # Other processes (a migration, a backup) may hold the write lock for a moment.
    "PRAGMA busy_timeout = 10000",
    # FULL syncs the WAL at each commit: an OK survives a power loss.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",
    "PRAGMA journal_size_limit = 67108864",
)


class _Connection(aiosqlite.Connection):
    """Stops what runs and rolls back before it closes.

    A cancelled statement ends its connection, whose thread would work on for nobody. And SQLite
    keeps a closed connection with an unfinished cursor alive, write lock included, until the cursor
    is collected.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connector, iter_chunk_size)
        self._left = threading.Event()

    async def watch(self) -> None:
        """Make statements end once their connection is given up.

        SQLite's own ``interrupt`` would strike the rollback too while a cursor is unfinished. The
        handler knows the event alone: a cycle would keep a dropped connection from being closed.
        """
        await self.set_progress_handler(self._left.is_set, _LOOK_EVERY)

    def stop(self) -> asyncio.Future[Any] | None:
        # Nobody waits: the loop may be closed before the thread has ended.
        self._roll_back()
        self._running = False
        self._tx.put_nowait((None, self._close_and_stop))
        return None

    def __del__(self) -> None:
        # One dropped while it was opened or used by a cancelled task is closed by its thread.
        if self._running and self._connection is not None:
            self.stop()

    def _close_and_stop(self) -> object:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        return _STOP_RUNNING_SENTINEL

    async def close(self) -> None:
        self._roll_back()
        await super().close()

    def _roll_back(self) -> None:
        if self._connection is not None and self._running:
            self._left.set()
            self._tx.put_nowait((None, partial(_forget_and_roll_back, self._connection)))


def _forget_and_roll_back(connection: sqlite3.Connection) -> None:
    connection.set_progress_handler(None, 0)
    connection.rollback()


def _open(database: str, **options: Any) -> aiosqlite.Connection:
    connection = _Connection(partial(sqlite3.connect, database, **options), iter_chunk_size=64)
    # As SQLAlchemy does: a forgotten connection must not keep the process from ending.
    connection._thread.daemon = True  # noqa: SLF001
    return connection


def _use_wal(connection: Any) -> None:
    """Switch the journal, which stays in the file; it fails at once when others do so too."""
    for attempt in range(_WAL_ATTEMPTS):
        try:
            connection.run_async(lambda sqlite: sqlite.execute("PRAGMA journal_mode = WAL"))
        except sqlite3.OperationalError:
            if attempt == _WAL_ATTEMPTS - 1:
                raise
            connection.run_async(lambda _sqlite: asyncio.sleep(0.02))
        else:
            return


def sqlite_engine(url: URL, begin: Begin, pool_size: int) -> AsyncEngine:
    """An engine whose transactions start with ``BEGIN <begin>``; deferred ones may only read."""
    if not url.database or url.database == ":memory:":
        raise ValueError("an SQLite database needs a file: several connections share it")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # its errors end in logs
        connect_args={"async_creator_fn": _open},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.run_async(_Connection.watch)
        # The driver's own implicit BEGIN would start deferred transactions at the first write.
        connection.isolation_level = None
        _use_wal(connection)
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        if begin == "DEFERRED":
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        # Straight to the driver: through a cursor it takes four hops to its thread instead of one.
        driver: Any = connection.connection.dbapi_connection
        driver.run_async(lambda sqlite: sqlite.execute(f"BEGIN {begin}"))

    return engine
