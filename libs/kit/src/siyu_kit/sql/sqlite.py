"""The SQLite engine: WAL, an fsync at every commit, explicit BEGIN."""

from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

Begin = Literal["IMMEDIATE", "DEFERRED"]

_PRAGMAS: Final = (
    # Other processes (a migration, a backup) may hold the write lock for a moment.
    "PRAGMA busy_timeout = 10000",
    "PRAGMA journal_mode = WAL",
    # FULL syncs the WAL at each commit: an OK survives a power loss.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",
    "PRAGMA journal_size_limit = 67108864",
)


def sqlite_engine(url: URL, begin: Begin, pool_size: int) -> AsyncEngine:
    """An engine whose transactions start with ``BEGIN <begin>``; deferred ones may only read."""
    if not url.database or url.database == ":memory:":
        raise ValueError("an SQLite database needs a file: several connections share it")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"), pool_size=pool_size, max_overflow=0
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own implicit BEGIN would start deferred transactions at the first write.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        if begin == "DEFERRED":
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine
