"""A reader whose effect must not happen twice: counting_reader.py FOLDER DATABASE STREAM HOLDER.

It adds up what it reads: no natural key would hide a repetition. Its lease lasts ``TTL_S``. It
writes ``<holder>.ready`` when it runs, and ends on SIGTERM.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.log import get_logger
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.migrate import create_kit_tables
from siyu_kit.sql.upsert import Merge, upsert
from siyu_kit.stream.port import Entry
from siyu_kit.stream.reader import PartitionReader
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import EVENTS

TTL_S: Final = 1.5
PARTITIONS: Final = 2
_metadata: Final = MetaData()
total: Final = Table(
    "total",
    _metadata,
    Column("holder", String(50), primary_key=True),
    Column("partition_no", Integer, primary_key=True),
    Column("messages", BigInteger, nullable=False),
)
"""How many messages each holder's committed transactions added."""


async def prepare(database: Database) -> None:
    """Make the tables, once."""
    async with database.writer.begin() as connection:
        await connection.run_sync(create_kit_tables)
        await connection.run_sync(_metadata.create_all)


async def read(folder: Path, database_url: str, stream_url: str, holder: str) -> None:
    """Read for ever."""
    database, stream = Database(database_url), RedisStreamStore(stream_url)

    async def add(session: AsyncSession, partition: int, entries: Sequence[Entry]) -> None:
        messages = sum(entry.count for entry in entries)
        row = {"holder": holder, "partition_no": partition, "messages": messages}
        key = ["holder", "partition_no"]
        await upsert(session, total, [row], key=key, update={"messages": Merge.ADD})

    leases = Leases(database, holder=holder, ttl_s=TTL_S)
    reader = PartitionReader(
        stream, database, EVENTS.name, "identity", add,
        partitions=PARTITIONS, leases=leases, count=5, block_ms=50,
    )  # fmt: skip
    (folder / f"{holder}.ready").touch()
    get_logger(__name__).info("reading", holder=holder)
    await reader.run()


if __name__ == "__main__":
    asyncio.run(read(Path(sys.argv[1]), *sys.argv[2:5]))
