"""A task that is cancelled within a call to the stream server ends there.

Were the cancellation lost, a worker that should stop would go on: a relay whose lease is another's
by now, a reader of a service that shuts down.
"""

import asyncio
import random

import pytest

from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import EVENTS

pytestmark = pytest.mark.integration

TIMES = 200


@pytest.mark.parametrize("call", ["length", "append", "promise", "read"])
async def test_no_cancellation_is_lost(redis_url, call):
    stream = RedisStreamStore(redis_url)
    calls = {
        "length": lambda: stream.length(EVENTS.name, 0),
        "append": lambda: stream.append(EVENTS.name, 0, [NewEntry(b"x")]),
        "promise": stream.promise,
        "read": lambda: stream.read({0: "0-0"}, EVENTS.name, block_ms=1),
    }
    survivors = cancelled = 0

    async def work():
        while True:
            await calls[call]()

    for _ in range(TIMES):
        worker = asyncio.create_task(work())
        await asyncio.sleep(random.random() * 0.004)
        worker.cancel()
        done, _ = await asyncio.wait([worker], timeout=5)
        if not done:
            survivors += 1
            worker.cancel()
            await asyncio.wait([worker], timeout=5)
        cancelled += worker.cancelled()
    assert survivors == 0
    assert cancelled == TIMES
    await stream.aclose()
