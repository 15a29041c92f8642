"""A migration meets the release before at work: no call fails, and the migration gets done."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade

pytestmark = pytest.mark.integration

ENV = "from siyu_kit.sql.migrate import run_env\nrun_env()\n"
STEP = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

def upgrade():
    op.add_column("first", sa.Column("later", sa.Integer))
    op.add_column("second", sa.Column("later", sa.Integer))
"""
SLOWEST_S = 2.0
"""A caller's wait: some attempts of a migration, and a machine that has other things to do."""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    (folder / "versions" / "0001_later.py").write_text(STEP)
    return folder


@pytest.fixture
async def traffic(postgres_url: str) -> AsyncIterator[Database]:
    """The database as the release before uses it."""
    database = Database(postgres_url)
    async with database.transaction() as session:
        for name in ("first", "second"):
            await session.execute(text(f"CREATE TABLE {name} (id int primary key, n int)"))
            await session.execute(
                text(f"INSERT INTO {name} SELECT g, 0 FROM generate_series(0, 7) g")
            )
    yield database
    await database.aclose()


async def call(database: Database, row: int, between_s: float = 0.0) -> None:
    """A call that takes the tables in the other order than the migration does."""
    async with database.transaction() as session:
        for name in ("second", "first"):
            await session.execute(
                text(f"UPDATE {name} SET n = n + 1 WHERE id = :row"), {"row": row}
            )
            await asyncio.sleep(between_s)


async def waits_for_a_table(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
    async with database.session() as session, asyncio.timeout(10):
        while not (await session.execute(waiting)).scalar():
            await asyncio.sleep(0.01)


async def columns(database: Database) -> list[str]:
    async with database.session() as session:
        found = await session.execute(
            text("SELECT table_name FROM information_schema.columns WHERE column_name = 'later'")
        )
        return sorted(found.scalars())


async def test_a_call_and_a_migration_that_wait_for_each_other(postgres_url, traffic, scripts):
    async with traffic.transaction() as session:
        await session.execute(text("UPDATE second SET n = 1"))
        migration = asyncio.create_task(upgrade(postgres_url, scripts))
        await waits_for_a_table(traffic)
        begun = time.monotonic()
        await session.execute(text("UPDATE first SET n = 1"))
        assert time.monotonic() - begun < SLOWEST_S
        assert await columns(traffic) == []
    await migration
    assert await columns(traffic) == ["first", "second"]


async def test_steady_callers_are_held_up_shortly_and_none_fails(postgres_url, traffic, scripts):
    done, slowest = asyncio.Event(), [0.0]

    async def caller(row: int) -> int:
        calls = 0
        while not done.is_set():
            begun = time.monotonic()
            await call(traffic, row, between_s=0.01)
            slowest[0] = max(slowest[0], time.monotonic() - begun)
            calls += 1
            await asyncio.sleep(0.05)
        return calls

    async def migrate() -> None:
        await asyncio.sleep(0.5)
        async with asyncio.timeout(60):
            await upgrade(postgres_url, scripts)
        await asyncio.sleep(0.5)
        done.set()

    *calls, _ = await asyncio.gather(*map(caller, range(4)), migrate())
    assert min(calls) > 5
    assert slowest[0] < SLOWEST_S
    assert await columns(traffic) == ["first", "second"]
