"""What a database and a reader say about themselves for the metrics."""

import asyncio

from sqlalchemy import text

from siyu_kit import metric_defs
from siyu_kit.clock import SystemClock
from siyu_kit.sql import feed
from siyu_kit.sql.feed import Feed
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.states import database_probe
from siyu_kit.stream import dead_letters
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.port import START, Entry, NewEntry
from siyu_kit.stream.reader_states import reader_states
from siyu_kit.stream.topics import EVENTS, IDENTITY


async def states(database):
    return {
        (reading.of.name, *reading.labels.values()): reading.value
        for reading in await database_probe(database)()
    }


async def test_the_outbox_is_counted_on_its_way(database):
    outbox, of = Outbox(), Feed("identity")
    async with database.transaction() as session:
        for _ in range(3):
            await outbox.add(session, "identity", "p", b"x")
    waiting = await states(database)
    assert waiting[metric_defs.OUTBOX_UNNUMBERED.name, "identity"] == 3
    await asyncio.sleep(0.02)
    async with database.transaction() as session:
        await feed.assign(session, of, 2)
    numbered = await states(database)
    assert numbered[metric_defs.OUTBOX_UNNUMBERED.name, "identity"] == 1
    assert numbered[metric_defs.OUTBOX_UNPUBLISHED.name, "identity"] == 2
    assert numbered[metric_defs.OUTBOX_WAITING.name, "identity"] >= 0.02
    async with database.transaction() as session:
        await feed.assign(session, of, 2)
        await feed.mark_published(session, of, 3)
    gone = await states(database)
    assert gone[metric_defs.OUTBOX_UNNUMBERED.name, "identity"] == 0
    assert gone[metric_defs.OUTBOX_UNPUBLISHED.name, "identity"] == 0
    assert gone[metric_defs.OUTBOX_WAITING.name, "identity"] == 0


async def test_leases_of_this_host_are_told_while_they_last(database):
    leases = Leases(database, ttl_s=0.3)
    assert await leases.acquire("reader.x.events.0")
    name = metric_defs.LEASE_HELD.name
    assert (await states(database))[name, "reader.x.events.0"] == 1
    await asyncio.sleep(0.4)
    assert (await states(database))[name, "reader.x.events.0"] == 0


async def test_dead_letters_count_until_they_are_replayed(database):
    async with database.transaction() as session:
        for number in range(2):
            await dead_letters.record(
                session,
                reader="x",
                topic="events",
                partition=0,
                entry=Entry(f"{number}-0", b""),
                reason="R",
                message="m",
            )
    key = (metric_defs.DEAD_LETTERS_OPEN.name, "x", "events")
    assert (await states(database))[key] == 2
    async with database.transaction() as session:
        await dead_letters.close(session, 1, dead_letters.State.REPLAYED)
    assert (await states(database))[key] == 1


async def test_connections_in_use_are_counted(database):
    async with database.session() as session:
        await session.execute(text("SELECT 1"))
        found = await states(database)
    used = {key[1]: value for key, value in found.items() if key[0].endswith("in_use")}
    assert max(used.values()) == 2  # the probe's own and ours


async def test_a_reader_knows_how_far_it_is_behind():
    stream, clock = MemoryStreamStore(), SystemClock()

    async def behind(topic, position):
        readings = await reader_states(stream, topic, "analytics", {0: position}, clock)
        return {reading.of.name: reading.value for reading in readings}

    assert await behind(EVENTS, START) == {
        metric_defs.STREAM_BEHIND.name: 0,
        metric_defs.STREAM_WAITING.name: 0.0,
    }
    ids = []
    for _ in range(10):
        ids += await stream.append("events", 0, [NewEntry(b"x")])
        await asyncio.sleep(0.01)
    found = await behind(EVENTS, ids[4])
    assert 3 <= found[metric_defs.STREAM_BEHIND.name] <= 7
    assert 0.03 <= found[metric_defs.STREAM_WAITING.name] < 5
    assert (await behind(EVENTS, ids[-1]))[metric_defs.STREAM_BEHIND.name] == 0

    await stream.append_run("identity", 0, 1, [NewEntry(b"x")] * 9)
    assert await behind(IDENTITY, "4-0") == {metric_defs.STREAM_BEHIND.name: 5}
