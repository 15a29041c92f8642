import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from siyu_kit.errors import Conflict, DependencyDown, QuotaExceeded, TooBusy
from siyu_kit.sql.engine import Database
from siyu_kit.stream.port import START, Durability, NewEntry
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.testing.postgres import PostgresServer
from siyu_kit.testing.processes import free_port
from siyu_kit.testing.redis import RedisServer
from siyu_kit.testing.stream_contract import read_all

pytestmark = pytest.mark.integration


@pytest.fixture
async def store(redis_server: RedisServer, redis_url: str) -> AsyncIterator[RedisStreamStore]:
    store = RedisStreamStore(redis_url, timeout_s=1)
    yield store
    await store.aclose()


async def test_what_was_acknowledged_survives_a_crash(
    redis_server: RedisServer, store: RedisStreamStore
) -> None:
    assert (await store.promise()).durability is Durability.DURABLE
    acknowledged: list[str] = []

    async def writer() -> None:
        while True:
            acknowledged.extend(await store.append("events", 0, [NewEntry(b"x" * 200)] * 5))

    writers = [asyncio.create_task(writer()) for _ in range(4)]
    await asyncio.sleep(0.5)
    await asyncio.to_thread(redis_server.kill)
    outcomes = await asyncio.gather(*writers, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {DependencyDown}, outcomes
    with pytest.raises(DependencyDown):
        await store.ping()
    with pytest.raises(DependencyDown):
        await store.read({0: START}, "events", block_ms=100)
    redis_server.start()
    found = {entry.id for entry in await read_all(store, "events", 0)}
    assert len(acknowledged) > 20
    assert set(acknowledged) <= found


async def test_nobody_listens() -> None:
    store = RedisStreamStore(f"redis://127.0.0.1:{free_port()}", timeout_s=1)
    for attempt in (store.ping(), store.promise(), store.append("events", 0, [NewEntry(b"")])):
        with pytest.raises(DependencyDown):
            await attempt
    await store.aclose()


async def fill(store: RedisStreamStore) -> None:
    for _ in range(200):
        await store.append("events", 0, [NewEntry(b"x" * 100_000)])


async def test_a_full_server_asks_to_come_back() -> None:
    server = RedisServer(None, maxmemory="3mb")
    store = RedisStreamStore(server.url)
    try:
        with pytest.raises(QuotaExceeded) as refused:
            await fill(store)
        assert refused.value.retry_after_s > 0
        assert await read_all(store, "events", 0)
    finally:
        await store.aclose()
        await asyncio.to_thread(server.stop)


async def test_a_weaker_server_says_so() -> None:
    server = RedisServer(None, appendfsync="everysec")
    store = RedisStreamStore(server.url)
    try:
        assert (await store.promise()).durability is Durability.RELAXED
    finally:
        await store.aclose()
        await asyncio.to_thread(server.stop)


async def test_an_append_waits_for_its_replicas() -> None:
    primary = RedisServer(None, **{"repl-diskless-sync-delay": "0", "shutdown-timeout": "0"})
    store = RedisStreamStore(primary.url, replicas=1, timeout_s=0.4)
    with pytest.raises(DependencyDown, match="replicas"):
        await store.append("events", 0, [NewEntry(b"alone")])
    replica = RedisServer(None, replicaof=f"127.0.0.1 {primary.port}")
    copy = RedisStreamStore(replica.url)
    try:
        async with asyncio.timeout(20):
            while not await replicated(store):
                await asyncio.sleep(0.1)
        assert (await read_all(copy, "events", 0))[-1].payload == b"two"
        with pytest.raises(DependencyDown):  # a replica takes no writes
            await copy.append("events", 0, [NewEntry(b"")])
    finally:
        await copy.aclose()
        await store.aclose()
        replica.kill()  # it would finish rewriting its log first
        replica.stop()
        primary.stop()


async def replicated(store: RedisStreamStore) -> bool:
    try:
        await store.append("events", 0, [NewEntry(b"two")])
    except DependencyDown:
        return False
    return True


async def test_a_database_that_crashes_and_returns(postgres_server: PostgresServer) -> None:
    database = Database(postgres_server.url(), connect_timeout_s=2)
    await database.ping()
    with pytest.raises(DependencyDown):  # noqa: PT012 - the transaction fails
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            await asyncio.to_thread(postgres_server.kill)
            await session.execute(text("SELECT 1"))
    with pytest.raises(DependencyDown):
        await database.ping()
    postgres_server.start()
    async with asyncio.timeout(10):
        while True:
            try:
                await database.ping()
                break
            except DependencyDown:
                await asyncio.sleep(0.05)
    await database.aclose()


async def test_statements_and_idle_transactions_are_bounded(postgres_url: str) -> None:
    database = Database(postgres_url, statement_timeout_s=0.2, idle_in_transaction_s=0.2)
    started = time.monotonic()
    with pytest.raises(DependencyDown):
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_sleep(10)"))
    with pytest.raises(DependencyDown):  # noqa: PT012 - the transaction fails
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            await asyncio.sleep(0.6)
            await session.execute(text("SELECT 1"))
    assert time.monotonic() - started < 5
    await database.ping()
    await database.aclose()


async def test_a_deadlock_is_a_conflict(postgres_url: str) -> None:
    database = Database(postgres_url)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE a (id int primary key, n int)"))
        await session.execute(text("INSERT INTO a VALUES (1, 0), (2, 0)"))

    async def cross(first: int, second: int) -> None:
        async with database.transaction() as session:
            for at in (first, second):
                await session.execute(text("UPDATE a SET n = n + 1 WHERE id = :at"), {"at": at})
                await asyncio.sleep(0.2)

    outcomes = await asyncio.gather(cross(1, 2), cross(2, 1), return_exceptions=True)
    assert sorted(type(outcome) for outcome in outcomes if outcome) == [Conflict]
    await database.aclose()


async def test_an_exhausted_pool_sheds_load(postgres_url: str, monkeypatch) -> None:
    database = Database(postgres_url, pool_size=1)
    monkeypatch.setattr(database.writer.sync_engine.pool, "_timeout", 0.2)
    async with database.transaction():
        with pytest.raises(TooBusy):
            await database.ping()
    await database.aclose()
