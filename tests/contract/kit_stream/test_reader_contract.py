import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.clock import SystemClock
from siyu_kit.errors import DataLoss, DependencyDown, InvalidInput, PreconditionFailed
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.tables import lease
from siyu_kit.stream import dead_letters
from siyu_kit.stream.dead_letter_changes import Note
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit, TooManyDeadLetters
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.port import START, Entry, InvalidMessage, NewEntry
from siyu_kit.stream.reader import PartitionReader
from siyu_kit.stream.replay import HandleAgain
from siyu_kit.stream.topics import Kind

metadata = MetaData()
# No uniqueness: an effect applied twice must show.
effect = Table(
    "effect",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("partition", Integer),
    Column("payload", String(50)),
)


@pytest.fixture
async def store(database: Database) -> Database:
    async with database.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    return database


async def write(session: AsyncSession, partition: int, entries: Sequence[Entry]) -> None:
    rows = [{"partition": partition, "payload": entry.payload.decode()} for entry in entries]
    await session.execute(insert(effect), rows)


async def effects(store: Database, partition: int = 0) -> list[str]:
    async with store.session() as session:
        query = select(effect.c.payload).where(effect.c.partition == partition)
        return list((await session.execute(query.order_by(effect.c.id))).scalars())


async def until_effects(store: Database, count: int, partition: int = 0) -> list[str]:
    async with asyncio.timeout(20):
        while len(found := await effects(store, partition)) < count:
            await asyncio.sleep(0.01)
    return found


@asynccontextmanager
async def running(*readers: PartitionReader) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def reader_of(
    stream: MemoryStreamStore, store: Database, handle=write, topic="events", **options
) -> PartitionReader:
    options = {"block_ms": 50} | options
    return PartitionReader(stream, store, topic, "profile", handle, **options)


def entries(*payloads: str, kinds: int = 0) -> list[NewEntry]:
    return [NewEntry(payload.encode(), kinds=kinds) for payload in payloads]


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"m{i:04}" for i in range(start, start + count)]


async def test_entries_of_every_partition_take_effect_once(store: Database) -> None:
    stream = MemoryStreamStore()
    await stream.append("events", 0, entries(*numbered(30)))
    async with running(reader := reader_of(stream, store, partitions=2, count=7)):
        await until_effects(store, 30)
        await stream.append("events", 1, entries("other"))
        assert await until_effects(store, 1, partition=1) == ["other"]
        await asyncio.sleep(0.1)
    assert await effects(store) == numbered(30)
    async with running(reader := reader_of(stream, store, partitions=2)):
        await stream.append("events", 0, entries("next"))
        assert await until_effects(store, 31) == [*numbered(30), "next"]
        assert reader.positions[0] == await stream.tail("events", 0)


async def test_the_stream_learns_what_is_committed(store: Database) -> None:
    stream = MemoryStreamStore()
    async with running(reader_of(stream, store)):
        async with asyncio.timeout(5):
            while await stream.reported("events", 0) != {"profile": START}:
                await asyncio.sleep(0.01)
        ids = await stream.append("events", 0, entries("a"))
        async with asyncio.timeout(5):
            while await stream.reported("events", 0) != {"profile": ids[0]}:
                await asyncio.sleep(0.01)


async def test_an_error_between_effect_and_commit_leaves_nothing(store: Database) -> None:
    stream, failures = MemoryStreamStore(), [DependencyDown("D", "away")] * 2

    async def handle(session: AsyncSession, partition: int, batch: Sequence[Entry]) -> None:
        await write(session, partition, batch)
        if failures:
            raise failures.pop()

    await stream.append("events", 0, entries("a", "b"))
    async with running(reader_of(stream, store, handle)):
        assert await until_effects(store, 2) == ["a", "b"]
    async with store.session() as session:
        assert await dead_letters.list_letters(session) == []


async def test_an_unknown_error_stops_the_reader_where_it_is(store: Database) -> None:
    stream = MemoryStreamStore()

    async def handle(session: AsyncSession, partition: int, batch: Sequence[Entry]) -> None:
        await write(session, partition, batch)
        raise ZeroDivisionError

    await stream.append("events", 0, entries("a"))
    with pytest.raises(ZeroDivisionError):
        await reader_of(stream, store, handle).run()
    assert await effects(store) == []


async def test_kills_at_any_moment_double_nothing(store: Database) -> None:
    stream, chance = MemoryStreamStore(), random.Random(5)
    await stream.append("events", 0, entries(*numbered(300)))

    async def handle(session: AsyncSession, partition: int, batch: Sequence[Entry]) -> None:
        await write(session, partition, batch)
        await asyncio.sleep(0.001)

    while len(await effects(store)) < 300:
        async with running(reader_of(stream, store, handle, count=10)):
            await asyncio.sleep(0.01 + chance.random() * 0.05)
    assert await effects(store) == numbered(300)


async def test_two_readers_that_both_believe_they_own_the_partition(store: Database) -> None:
    stream, inside, go_on = MemoryStreamStore(), asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def slow(session: AsyncSession, partition: int, batch: Sequence[Entry]) -> None:
        seen.append("slow")
        inside.set()
        await go_on.wait()
        await write(session, partition, batch)

    async def fast(session: AsyncSession, partition: int, batch: Sequence[Entry]) -> None:
        seen.append("fast")
        await write(session, partition, batch)

    if store.dialect == "sqlite":
        # There one writer at a time does not let a handler be overtaken inside its transaction.
        go_on.set()
    late = reader_of(stream, store, slow, leases=Leases(store, holder="late"))
    now = reader_of(stream, store, fast, leases=Leases(store, holder="now"))
    async with running(late):
        async with asyncio.timeout(5):
            while not late.positions:
                await asyncio.sleep(0.01)
        async with store.transaction() as session:
            await session.execute(update(lease).values(expires_ms=0))
        if store.dialect == "sqlite":
            async with running(now):
                async with asyncio.timeout(5):
                    while not now.positions:
                        await asyncio.sleep(0.01)
                await stream.append("events", 0, entries(*numbered(20)))
                await until_effects(store, 20)
        else:
            await stream.append("events", 0, entries(*numbered(20)))
            await inside.wait()
            async with running(now):
                await until_effects(store, 20)
                go_on.set()
                async with asyncio.timeout(5):
                    while late.positions:
                        await asyncio.sleep(0.01)
    assert "fast" in seen
    assert await effects(store) == numbered(20)


async def test_two_processes_share_the_partitions_and_take_over(store: Database) -> None:
    stream = MemoryStreamStore()
    one = reader_of(stream, store, partitions=3, leases=Leases(store, holder="a", ttl_s=0.6))
    two = reader_of(stream, store, partitions=3, leases=Leases(store, holder="b", ttl_s=0.6))
    async with running(two):
        async with running(one):
            await stream.append("events", 0, entries("a"))
            await until_effects(store, 1)
        await stream.append("events", 0, entries("b"))
        assert await until_effects(store, 2) == ["a", "b"]
        async with asyncio.timeout(5):
            while len(two.positions) < 3:
                await asyncio.sleep(0.01)


async def test_entries_without_interest_are_passed_over(store: Database) -> None:
    stream = MemoryStreamStore()
    await stream.append("events", 0, entries("no", kinds=Kind.TRACK))
    await stream.append("events", 0, entries("yes", kinds=Kind.TRACK | Kind.PROFILE))
    ids = await stream.append("events", 0, entries("no", kinds=Kind.LINK))
    async with running(reader := reader_of(stream, store, kinds=Kind.PROFILE)):
        await until_effects(store, 1)
        async with asyncio.timeout(5):
            while reader.positions != {0: ids[0]}:
                await asyncio.sleep(0.01)
    assert await effects(store) == ["yes"]


@pytest.mark.parametrize("tells_which", [True, False])
async def test_what_cannot_be_processed_is_kept_apart(store: Database, *, tells_which) -> None:
    stream = MemoryStreamStore()
    bad = {"m0003", "m0011"}

    async def handle(session: AsyncSession, partition: int, batch: Sequence[Entry]) -> None:
        await write(session, partition, batch)
        for entry in batch:
            if entry.payload.decode() in bad:
                if tells_which:
                    raise InvalidMessage("BAD", "cannot read", entry.id)
                raise InvalidInput("BAD", "cannot read")

    new = [NewEntry(m.encode(), trace=f"trace-{m}") for m in numbered(16)]
    await stream.append("events", 0, new)
    async with running(reader_of(stream, store, handle)):
        await stream.append("events", 0, entries("after"))
        found = await until_effects(store, 15)
    assert found == [m for m in numbered(16) if m not in bad] + ["after"]
    async with store.session() as session:
        letters = await dead_letters.list_letters(session, reader="profile")
    assert [(x.entry.payload, x.entry.trace, x.reason) for x in letters] == [
        (b"m0003", "trace-m0003", "BAD"),
        (b"m0011", "trace-m0011", "BAD"),
    ]
    bad.clear()
    again, note = HandleAgain(store, handle), Note("user:steward", "the release is mended")
    await again(letters[0], note)
    with pytest.raises(PreconditionFailed):
        await again(letters[0], note)
    async with store.session() as session:
        assert len(await dead_letters.list_letters(session)) == 1
    assert (await effects(store))[-1] == "m0003"


async def test_data_the_database_refuses_is_the_entrys_fault(store: Database) -> None:
    stream = MemoryStreamStore()

    async def handle(session: AsyncSession, partition: int, batch: Sequence[Entry]) -> None:
        for entry in batch:
            twice = {"id": 1} if entry.payload == b"bad" else {}
            values = {"partition": partition, "payload": entry.payload.decode()} | twice
            await session.execute(insert(effect).values(values))

    async with store.transaction() as session:
        await session.execute(insert(effect).values(id=1, partition=9, payload=""))
        if store.dialect == "postgresql":
            await session.execute(select(effect.c.id))
            from sqlalchemy import text

            await session.execute(text("SELECT setval('effect_id_seq', 10)"))
    await stream.append("events", 0, entries("a", "bad", "b"))
    async with running(reader_of(stream, store, handle)):
        assert await until_effects(store, 2) == ["a", "b"]
    async with store.session() as session:
        [letter] = await dead_letters.list_letters(session)
    assert letter.reason == "REFUSED_BY_DATABASE"


async def test_a_bad_release_stops_the_reader_instead_of_draining(store: Database) -> None:
    stream = MemoryStreamStore()

    async def handle(session: AsyncSession, partition: int, batch: Sequence[Entry]) -> None:
        raise InvalidMessage("BAD", "everything is")

    await stream.append("events", 0, entries(*numbered(50)))
    reader = reader_of(
        stream, store, handle, limit=DeadLetterLimit(SystemClock(), DeadLetterCap(at_least=5))
    )
    for _ in range(2):  # started again by its supervisor, it stops again
        with pytest.raises(TooManyDeadLetters):
            await reader.run()
    async with store.session() as session:
        assert len(await dead_letters.list_letters(session)) == 5


async def feed_of(stream: MemoryStreamStore, *sequences: int) -> None:
    for sequence in sequences:
        await stream.append_at("identity", 0, sequence, NewEntry(f"m{sequence}".encode()))


async def test_a_gap_in_a_feed_is_healed_from_its_owner(store: Database) -> None:
    stream, asked = MemoryStreamStore(), []
    await feed_of(stream, 3, 4, 8, 9)

    async def heal(partition: int, after: int, before: int) -> list[Entry]:
        asked.append((after, before))
        # Two at a time, as pages of an RPC.
        return [Entry(f"{n}-0", f"m{n}".encode()) for n in range(after + 1, before)][:2]

    async with running(reader_of(stream, store, topic="identity", heal=heal)):
        assert await until_effects(store, 9) == [f"m{n}" for n in range(1, 10)]
    assert asked == [(0, 3), (4, 8), (6, 8)]


async def test_a_gap_nobody_can_close_stops_the_reader(store: Database) -> None:
    stream = MemoryStreamStore()
    await feed_of(stream, 1, 3)
    with pytest.raises(DataLoss):
        async with asyncio.timeout(10):
            await reader_of(stream, store, topic="identity").run()
    assert await effects(store) == ["m1"]


async def test_a_position_older_than_the_trimmed_is_an_alarm(store: Database) -> None:
    stream = MemoryStreamStore()
    await stream.append("events", 0, entries("a"))
    async with running(reader_of(stream, store)):
        await until_effects(store, 1)
    ids = await stream.append("events", 0, entries("b", "c"))
    for name in ("identity", "analytics", "profile"):
        await stream.report_position("events", 0, name, ids[1])
    await stream.trim("events", 0)
    with pytest.raises(DataLoss):
        async with asyncio.timeout(10):
            await reader_of(stream, store).run()


async def test_a_stream_that_was_put_back_is_noticed_and_read_on(store: Database) -> None:
    stream = MemoryStreamStore()
    ids = await stream.append("events", 0, entries("a", "b"))
    async with running(reader_of(stream, store)):
        await until_effects(store, 2)
    for name in ("identity", "analytics", "profile"):
        await stream.report_position("events", 0, name, ids[1])
    await stream.trim("events", 0)
    async with running(reader_of(stream, store)):
        # What all have read is trimmed but for the last one: nothing is wrong.
        await stream.append("events", 0, entries("c"))
        assert await until_effects(store, 3) == ["a", "b", "c"]
    stream.lose("events", 0)
    async with running(reader := reader_of(stream, store)):
        async with asyncio.timeout(5):
            while await stream.reported("events", 0) != {"profile": reader.positions.get(0)}:
                await asyncio.sleep(0.01)
        assert await stream.tail("events", 0) == reader.positions[0]
        await stream.append("events", 0, entries("d"))
        assert await until_effects(store, 4) == ["a", "b", "c", "d"]


async def test_a_batch_is_a_span_linked_to_its_entries(store: Database) -> None:
    from siyu_kit import telemetry

    exporter, stream = InMemorySpanExporter(), MemoryStreamStore()
    traces = [f"00-{i:032x}-{i:016x}-01" for i in (1, 2)]
    telemetry.configure_telemetry("test", span_exporter=exporter)
    try:
        await stream.append("events", 0, [NewEntry(b"a", trace=trace) for trace in traces])
        async with running(reader_of(stream, store)):
            await until_effects(store, 2)
    finally:
        telemetry.configure_telemetry("test")
    [span] = [span for span in exporter.get_finished_spans() if span.name == "process events"]
    assert [link.context.trace_id for link in span.links] == [1, 2]
    assert span.parent is None
