import asyncio

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
)

from siyu_kit.errors import DependencyDown, InvalidInput
from siyu_kit.sql.engine import Database
from siyu_kit.sql.upsert import Merge, upsert

metadata = MetaData()
thing = Table(
    "thing",
    metadata,
    Column("project_id", String(50), primary_key=True),
    Column("name", String(50), primary_key=True),
    Column("low", BigInteger),
    Column("high", BigInteger),
    Column("total", BigInteger, nullable=False),
    Column("payload", LargeBinary),
)


@pytest.fixture
async def things(database: Database) -> Database:
    async with database.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    return database


def row(name: str, low: int | None = 0, high: int | None = 0, total: int = 0) -> dict[str, object]:
    return {
        "project_id": "p", "name": name, "low": low, "high": high, "total": total, "payload": b"",
    }  # fmt: skip


async def all_of(database: Database) -> list[tuple[object, ...]]:
    async with database.session() as session:
        result = await session.execute(
            select(thing.c.name, thing.c.low, thing.c.high, thing.c.total).order_by(thing.c.name)
        )
        return [tuple(found) for found in result]


@pytest.mark.parametrize("name", ["a\0b", "x" * 51])
async def test_text_that_a_column_cannot_hold_is_the_callers_mistake(
    things: Database, name: str
) -> None:
    if things.writer.dialect.name == "sqlite":
        pytest.skip("SQLite keeps whatever it is given")
    with pytest.raises(InvalidInput, match="does not fit") as refused:
        async with things.transaction() as session:
            await session.execute(insert(thing).values(row(name)))
    assert refused.value.metadata["sqlstate"].startswith("22")


async def test_a_transaction_commits_whole_or_not_at_all(things: Database) -> None:
    async with things.transaction() as session:
        await session.execute(insert(thing).values(row("kept")))
    with pytest.raises(RuntimeError):  # noqa: PT012 - the transaction fails
        async with things.transaction() as session:
            await session.execute(insert(thing).values(row("dropped")))
            raise RuntimeError
    assert [found[0] for found in await all_of(things)] == ["kept"]


async def test_a_read_session_sees_one_snapshot_and_cannot_write(things: Database) -> None:
    async with things.session() as reading:
        count = select(func.count()).select_from(thing)
        assert (await reading.execute(count)).scalar() == 0
        async with things.transaction() as session:
            await session.execute(insert(thing).values(row("a")))
        assert (await reading.execute(count)).scalar() == 0
        with pytest.raises(Exception, match=r"readonly|read-only"):
            await reading.execute(insert(thing).values(row("b")))
    assert len(await all_of(things)) == 1


async def test_readers_do_not_wait_for_a_writer(things: Database) -> None:
    async with things.transaction() as session:
        await session.execute(insert(thing).values(row("a")))
        async with asyncio.timeout(2):
            assert await all_of(things) == []


async def test_concurrent_writers_all_commit(things: Database) -> None:
    await asyncio.gather(*(add(things, f"n{i:03}") for i in range(60)))
    assert len(await all_of(things)) == 60


async def add(database: Database, name: str) -> None:
    async with database.transaction() as session:
        found = await session.execute(select(func.count()).select_from(thing))
        await session.execute(insert(thing).values(row(name, total=found.scalar() or 0)))


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(things: Database) -> None:
    started = asyncio.Event()

    async def slow() -> None:
        async with things.transaction() as session:
            await session.execute(insert(thing).values(row("cancelled")))
            started.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(slow())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await add(things, "after")
    assert [found[0] for found in await all_of(things)] == ["after"]


async def test_upsert_that_leaves_existing_rows_alone(things: Database) -> None:
    key = ["project_id", "name"]
    async with things.transaction() as session:
        await upsert(session, thing, [row("a", total=1)], key=key)
        inserted = await upsert(
            session, thing, [row("a", total=2), row("b", total=2)], key=key, returning=["name"]
        )
    assert [found.name for found in inserted] == ["b"]
    assert [(found[0], found[3]) for found in await all_of(things)] == [("a", 1), ("b", 2)]


async def test_upsert_merges_columns(things: Database) -> None:
    key = ["project_id", "name"]
    merges = {"low": Merge.LEAST, "high": Merge.GREATEST, "total": Merge.ADD}
    async with things.transaction() as session:
        await upsert(session, thing, [row("a", 5, 5, 1), row("n", None, None, 1)], key=key)
        for low, high in ((7, 7), (3, 3), (None, None)):
            found = await upsert(
                session,
                thing,
                [row("a", low, high, 10), row("n", low, high, 10)],
                key=key,
                update=merges,
                returning=["name", "total"],
            )
            assert len(found) == 2
    assert await all_of(things) == [("a", 3, 7, 31), ("n", 3, 7, 31)]


async def test_upsert_under_a_condition(things: Database) -> None:
    key = ["project_id", "name"]
    async with things.transaction() as session:
        await upsert(session, thing, [row("a", high=5, total=1)], key=key)
        for high, total in ((4, 2), (6, 3)):
            await upsert(
                session,
                thing,
                [row("a", high=high, total=total)],
                key=key,
                update=["high", "total"],
                where=lambda stored, incoming: incoming["high"] > stored["high"],
            )
    assert await all_of(things) == [("a", 0, 6, 3)]


async def test_upsert_of_more_rows_than_parameters_fit(things: Database) -> None:
    rows = [row(f"n{i:05}", total=i) for i in range(12_000)]
    async with things.transaction() as session:
        found = await upsert(session, thing, rows, key=["project_id", "name"], returning=["name"])
        assert len(found) == 12_000
        again = await upsert(session, thing, rows, key=["project_id", "name"], returning=["name"])
        assert again == []


async def test_upsert_refuses_two_rows_with_one_key(things: Database) -> None:
    async with things.transaction() as session:
        with pytest.raises(ValueError, match="share a key"):
            await upsert(
                session, thing, [row("a"), row("a")], key=["project_id", "name"], update=["total"]
            )


async def test_a_constraint_stays_the_databases_own_error(things: Database) -> None:
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError):  # noqa: PT012 - the transaction fails
        async with things.transaction() as session:
            await session.execute(insert(thing).values(row("a")))
            await session.execute(insert(thing).values(row("a")))


async def test_an_unreachable_database_is_a_dependency_that_is_down(tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.mkdir()
    (blocked / "db").mkdir()
    for url in (f"sqlite+aiosqlite:///{blocked}/db",):
        database = Database(url)
        with pytest.raises(DependencyDown):
            await database.ping()
        with pytest.raises(DependencyDown):
            async with database.transaction():
                pass
        await database.aclose()


async def test_closing_waits_for_connections_in_use(database: Database) -> None:
    opened, gave_back = asyncio.Event(), []

    async def read() -> None:
        async with database.session() as session:
            await session.execute(select(1))
            opened.set()
            await asyncio.sleep(0.2)
        gave_back.append(True)

    reader = asyncio.create_task(read())
    await opened.wait()
    await database.aclose()
    assert gave_back
    await reader
