"""A dispatcher as a process, to be killed: ``python touch_dispatcher.py <database> <push>``."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from siyu_kit.clock import SystemClock
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.outbox import Outbox
from siyu_touch.app.dispatch import Dispatcher, Pace
from siyu_touch.bootstrap import inbox_cipher, run_dispatcher
from siyu_touch.channel.http_push import HttpPushProvider
from siyu_touch.store.touch_store import SqlTouchStore
from support.touch_twins import ScriptedFacts

CONCURRENCY = 8


async def main(database_url: str, push_url: str) -> None:
    """Dispatch until killed."""
    database = Database(database_url)
    store = SqlTouchStore(database, Outbox(), inbox_cipher(b"k" * 32))
    provider = HttpPushProvider(push_url, timeout_s=1.0, connections=CONCURRENCY)
    clock = SystemClock()
    pace = Pace(push_batch=60, push_concurrency=CONCURRENCY, poll_s=0.05)
    dispatcher = Dispatcher(store, ScriptedFacts(), provider, clock, pace)
    await run_dispatcher(dispatcher, Leases(database), clock, place="one")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
