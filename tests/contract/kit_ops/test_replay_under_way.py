"""What a replay does when a steward mends, or the stream server weakens, at the same time."""

import asyncio

import pytest

from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event, EventBatch
from siyu_kit.clock import ManualClock
from siyu_kit.errors import DependencyDown, PreconditionFailed
from siyu_kit.ops.desk import DeadLetterDesk, ReaderOps
from siyu_kit.stream import dead_letters
from siyu_kit.stream.dead_letter_changes import Note
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit
from siyu_kit.stream.guard import StreamGuard
from siyu_kit.stream.ledger import DoorLedger
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.port import Durability, Entry
from siyu_kit.stream.redis_facts import ServerFacts
from siyu_kit.stream.replay import AppendAgain, HandleAgain
from siyu_kit.stream.topics import Kind

ANN, BOB = Note("user:ann", "two fields swapped"), Note("user:bob", "mended")


def batch(name):
    event = Event(project_id="demo", message_id="m1", name=name, kind=EVENT_KIND_TRACK)
    return EventBatch(events=[event]).SerializeToString()


@pytest.fixture
async def letter(database):
    async with database.transaction() as session:
        await dead_letters.record(
            session,
            reader="analytics",
            topic="events",
            partition=3,
            entry=Entry("5-1", batch("old"), 1, Kind.TRACK, None, project_id="demo"),
            reason="IDENTIFIER_REFUSED",
            message="",
        )
    async with database.session() as session:
        [found] = await dead_letters.list_letters(session)
    return found


def desk(database, replay):
    limit = DeadLetterLimit(ManualClock(), DeadLetterCap())
    return DeadLetterDesk(database, {("analytics", "events"): ReaderOps(replay, EventBatch, limit)})


async def names(stream):
    entries = await stream.range("events", 3, "0-1", "9999999999999-0")
    return [EventBatch.FromString(entry.payload).events[0].name for entry in entries]


async def is_open(database, letter):
    async with database.session() as session:
        return (await dead_letters.find(session, letter.id)).state is dead_letters.State.OPEN


async def test_a_fix_after_the_letters_were_read_is_what_is_handled(database, letter):
    handled = []

    async def handle(session, partition, entries):
        handled.extend(entry.payload for entry in entries)

    stewards = desk(database, HandleAgain(database, handle))
    await stewards.fix(letter, batch("new"), ANN)
    assert await stewards.replay({0: letter}, BOB) == []
    assert handled == [batch("new")]


async def test_nobody_mends_what_is_being_appended(database, letter):
    fixing = []

    class Slow(MemoryStreamStore):
        async def append_counted(self, entries, counts):
            fixing.append(asyncio.create_task(stewards.fix(letter, batch("new"), ANN)))
            await asyncio.sleep(0.3)  # enough for a fix that nothing holds back
            assert not fixing[0].done()
            return await super().append_counted(entries, counts)

    stream = Slow()
    ledger = DoorLedger(stream, "events", 4)
    stewards = desk(database, AppendAgain(database, ledger, Kind.TRACK))
    assert await stewards.replay({0: letter}, BOB) == []
    with pytest.raises(PreconditionFailed):
        await fixing[0]
    assert await names(stream) == ["old"]


async def test_a_letter_stays_open_when_the_stream_does_not_promise_to_keep_it(database, letter):
    info = {"redis_version": "7.0.15", "run_id": "a", "role": "master"}
    server = {"appendonly": "no", "maxmemory": "0", "maxmemory-policy": "noeviction"}

    async def read():
        return ServerFacts(info, server)

    class Weakening(MemoryStreamStore):
        async def append_counted(self, entries, counts):
            done = await super().append_counted(entries, counts)
            server["appendonly"] = "no"
            await guard.verify()
            return done

    guard, stream = StreamGuard(read, Durability.DURABLE, ManualClock()), Weakening()
    ledger = DoorLedger(stream, "events", 4, guard)
    stewards = desk(database, AppendAgain(database, ledger, Kind.TRACK))
    for appended in ([], ["old"]):  # not asked at all, then weakened before the answer
        [(_, error)] = await stewards.replay({0: letter}, BOB)
        assert isinstance(error, DependencyDown)
        assert (error.reason, await names(stream)) == ("STREAM_PROMISE_BROKEN", appended)
        assert await is_open(database, letter)
        server |= {
            "appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no",
        }  # fmt: skip
        info |= {"aof_last_write_status": "ok", "aof_last_bgrewrite_status": "ok"}
        await guard.verify()
