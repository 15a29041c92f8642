"""Databases and streams of real servers, taken and put back."""

import json

import pytest
from redis import Redis
from sqlalchemy import text

from siyu_client.backup import postgres_store, stream_store
from siyu_client.backup.manifest import BackupError
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.redis import RedisStreamStore
from siyu_touch.bootstrap import MIGRATIONS

pytestmark = pytest.mark.integration


async def rows(url, query):
    database = Database(url)
    async with database.session() as session:
        found = [tuple(row) for row in await session.execute(text(query))]
    await database.aclose()
    return found


async def tell(url, *payloads):
    database, outbox = Database(url), Outbox()
    async with database.transaction() as session:
        for payload in payloads:
            await outbox.add(session, "touch", "demo", payload)
    await database.aclose()


async def test_a_database_is_put_back_with_its_sequences(postgres_server, tmp_path):
    source, target = (postgres_server.url(postgres_server.create_database()) for _ in range(2))
    await upgrade(source, MIGRATIONS)
    await tell(source, b"one", b"\x00\xff", b"")
    detail = await postgres_store.dump(source, tmp_path)
    await tell(source, b"later")
    with pytest.raises(BackupError, match="empty one"):
        await postgres_store.check_empty(source)
    await postgres_store.check_empty(target)
    await upgrade(target, MIGRATIONS, detail["revision"])
    await postgres_store.load(target, tmp_path, detail)
    content = "SELECT id, payload FROM kit_outbox ORDER BY id"
    assert await rows(target, content) == [(1, b"one"), (2, b"\x00\xff"), (3, b"")]
    await tell(target, b"after")  # the sequence goes on behind what was put back
    assert (await rows(target, content))[-1] == (4, b"after")
    every = await rows(target, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {name for (name,) in every} == set(detail["tables"])
    await upgrade(target, MIGRATIONS)  # nothing is left to do


async def entries_of(url):
    stream = RedisStreamStore(url)
    found = await stream.range("events", 0, "-", "+")
    positions = await stream.reported("events", 0)
    await stream.aclose()
    return [(entry.id, entry.payload) for entry in found], positions


async def test_streams_keep_their_ids_and_positions(redis_url, tmp_path):
    stream = RedisStreamStore(redis_url)
    await stream.append("events", 0, [NewEntry(f"e{n}".encode(), kinds=1) for n in range(5)])
    await stream.register_reader("events", 0, "profile")
    await stream.report_position("events", 0, "profile", "0-3")
    await stream.aclose()
    before = await entries_of(redis_url)
    with Redis.from_url(redis_url) as server:
        server.set("somebody.else", "1")
    kept = stream_store.dump(redis_url, tmp_path)
    assert kept >= 2
    with pytest.raises(BackupError, match="empty one"):
        stream_store.check_empty(redis_url)
    with Redis.from_url(redis_url) as server:
        server.flushall()
    stream_store.check_empty(redis_url)
    assert stream_store.load(redis_url, tmp_path) == kept
    assert await entries_of(redis_url) == before
    with Redis.from_url(redis_url) as server:
        assert server.get("somebody.else") is None
    lines = (tmp_path / stream_store.NAME).read_text().splitlines()
    assert all(json.loads(line)["key"].startswith("siyu.") for line in lines)
