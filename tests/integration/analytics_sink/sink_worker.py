"""Runs the sink over real stores until the stream is stored, or kills itself at a named moment.

Usage: sink_worker.py FOLDER REDIS_URL EVENTS MOMENT. Prints the outcome as JSON.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from siyu_analytics.bootstrap import MIGRATIONS, readers
from siyu_analytics.engine.chdb import ChdbEngine, Limits
from siyu_analytics.store.progress import SqlProgress
from siyu_analytics.store.schema import statements
from siyu_analytics.store.sink_plans import SqlPlans
from siyu_kit.clock import SystemClock
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade
from siyu_kit.stream.redis import RedisStreamStore
from support.analytics_events import FixedNumbers

# What has just been done when the process ends, by the words its statement begins with.
STATEMENTS = {
    "keyed": "INSERT INTO keyed",
    "sifted": "INSERT INTO fresh",
    "events": "INSERT INTO events",
    "seen": "INSERT INTO seen",
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(real: Callable[..., Awaitable[Any]], when: Callable[..., bool]) -> Callable[..., Any]:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = await real(*args, **kwargs)
        if when(*args):
            die()
        return result

    return wrapped


def arm(engine: ChdbEngine, moment: str) -> None:
    if moment in STATEMENTS:
        start = STATEMENTS[moment]
        engine.command = deadly(engine.command, lambda sql, *_: sql.strip().startswith(start))  # type: ignore[method-assign]
    elif moment == "learned":
        engine.insert_arrow = deadly(engine.insert_arrow, lambda table, *_: table == "known")  # type: ignore[method-assign]
    elif moment in {"make", "done"}:
        setattr(SqlPlans, moment, deadly(getattr(SqlPlans, moment), lambda *_: True))


async def main(folder: Path, redis_url: str, expected: int, moment: str) -> None:
    url = f"sqlite+aiosqlite:///{folder}/analytics.db"
    await upgrade(url, MIGRATIONS)
    database = Database(url)
    engine = ChdbEngine(folder / "engine", Limits(threads=2))
    for statement in statements(0):
        await engine.command(statement)
    arm(engine, moment)
    stream = RedisStreamStore(redis_url)
    reading = await readers(stream, database, engine, FixedNumbers(), SystemClock(), partitions=2)
    running = asyncio.create_task(reading.readers["sink"].run())
    progress = SqlProgress(database)
    while not running.done():
        counts = await progress.counts("p")
        if counts.events + counts.duplicates >= expected:
            break
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    found = await engine.query(
        "SELECT count() AS rows, uniqExact(message_id) AS messages FROM events", {}
    )
    seen = await engine.query("SELECT count() AS seen FROM seen", {})
    (row,) = found.to_pylist()
    outcome = {
        **row,
        **seen.to_pylist()[0],
        "stored": counts.events,
        "duplicates": counts.duplicates,
    }
    sys.stdout.write(json.dumps(outcome))
    await engine.aclose()
    await stream.aclose()
    await database.aclose()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
