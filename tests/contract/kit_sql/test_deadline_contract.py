"""A caller that stops waiting ends its statement: nothing works on for those who left."""

import asyncio
import gc
import threading
import time

import psutil
import pytest
from sqlalchemy import text

from siyu_kit.sql.dialect import Dialect
from siyu_kit.sql.engine import Database

DEADLINE_S = 0.3
TIMES = 50
SPARE = 20
"""Files SQLite may keep for use again; each of the fifty would leave three if they were lost, and
a thread of its own."""
# Minutes of work for either database.
HEAVY = {
    Dialect.SQLITE: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 4000000000) SELECT count(*) FROM n",
    Dialect.POSTGRESQL: "SELECT count(*) FROM generate_series(1, 4000000000) AS heavy(i)",
}


async def _start(database: Database, *, write: bool, deadline_s: float) -> None:
    scope = database.transaction() if write else database.session()
    async with asyncio.timeout(deadline_s), scope as session:
        await session.execute(text(HEAVY[database.dialect]))


async def _running(database: Database) -> int:
    """Statements that still run: asked of the server, or seen by the process's own work."""
    if database.dialect is Dialect.POSTGRESQL:
        async with database.session() as session:
            found = await session.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                    " AND query LIKE '%heavy(i)%' AND pid <> pg_backend_pid()"
                    " AND datname = current_database()"
                )
            )
        return int(found or 0)
    own = psutil.Process()
    before, started = sum(own.cpu_times()[:2]), time.monotonic()
    await asyncio.sleep(0.1)
    busy = (sum(own.cpu_times()[:2]) - before) / (time.monotonic() - started)
    return round(busy)


async def _answers(database: Database) -> None:
    """Both ways in work, and their connections are open."""
    for scope in (database.session(), database.transaction()):
        async with scope as session:
            assert await session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
async def test_a_deadline_ends_the_statement(database: Database, write) -> None:
    with pytest.raises(TimeoutError):
        await _start(database, write=write, deadline_s=DEADLINE_S)
    for _ in range(20):  # SQLite keeps some files of closed connections, and uses them again
        with pytest.raises(TimeoutError):
            await _start(database, write=write, deadline_s=0.02)
    await _answers(database)
    process = psutil.Process()
    # Python's threads alone: the libraries of other tests start native ones when they like.
    tasks, threads, files = len(asyncio.all_tasks()), threading.active_count(), process.num_fds()
    took = []
    for _ in range(TIMES):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await _start(database, write=write, deadline_s=DEADLINE_S / 10)
        took.append(time.monotonic() - started)
    # Not the slowest: a machine that others use too may stand still for a moment.
    assert sorted(took)[round(TIMES * 0.9)] < DEADLINE_S / 10 + 0.2
    deadline = time.monotonic() + 2
    while await _running(database) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert await _running(database) == 0, "nothing works for those who left"
    await _answers(database)
    while time.monotonic() < deadline + 5 and (
        process.num_fds() > files + SPARE or threading.active_count() > threads + SPARE
    ):
        gc.collect()  # an error keeps its cursor in a cycle, and SQLite that cursor's files
        await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) <= tasks
    assert threading.active_count() <= threads + SPARE
    assert process.num_fds() <= files + SPARE
