import asyncio
import random
import time

from sqlalchemy import text

from siyu_kit.sql.engine import Database


async def test_transactions_cancelled_at_any_moment_block_nobody(database: Database) -> None:
    chance = random.Random(11)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE n (id integer)"))

    async def write(at: int) -> None:
        async with database.transaction() as session:
            inserted = await session.execute(
                text("INSERT INTO n VALUES (:at), (:at) RETURNING id"), {"at": at}
            )
            inserted.first()
            await session.execute(text("SELECT * FROM n"))

    slowest = 0.0
    for at in range(150):
        task = asyncio.create_task(write(at))
        await asyncio.sleep(chance.random() * 0.006)
        task.cancel()
        await asyncio.wait([task])
        if at % 5 == 0:
            started = time.monotonic()
            await write(at)
            slowest = max(slowest, time.monotonic() - started)
    # The lock of a cancelled writer is given back at once, not after a timeout or a collection.
    assert slowest < 3
    async with database.session() as session:
        found = [row[0] for row in await session.execute(text("SELECT id FROM n"))]
    assert all(found.count(at) in {0, 2, 4} for at in set(found))
