import asyncio
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import inspect, text

from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade

FIRST = """
import sqlalchemy as sa
from alembic import op
from siyu_kit.sql.migrate import create_kit_tables

revision = "0001"
down_revision = None

def upgrade():
    create_kit_tables(op.get_bind())
    op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO a VALUES (1)")
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

def upgrade():
    op.add_column("a", sa.Column("name", sa.String(10)))
    {extra}
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text("from siyu_kit.sql.migrate import run_env\nrun_env()\n")
    (folder / "script.py.mako").write_text("")
    (folder / "versions" / "0001_first.py").write_text(FIRST)
    return folder


async def state(url: str) -> tuple[set[str], list[object]]:
    database = Database(url)
    async with database.writer.connect() as connection:
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    async with database.session() as session:
        rows = list(await session.execute(text("SELECT * FROM a")))
    await database.aclose()
    return tables, rows


async def test_concurrent_starters_migrate_once(database_url: str, scripts: Path) -> None:
    await asyncio.gather(*(upgrade(database_url, scripts) for _ in range(4)))
    tables, rows = await state(database_url)
    assert {"a", "kit_lease", "kit_outbox", "kit_feed", "kit_position", "kit_dead_letter"} <= tables
    assert len(rows) == 1
    (scripts / "versions" / "0002_second.py").write_text(SECOND.format(extra="pass"))
    await upgrade(database_url, scripts)
    await upgrade(database_url, scripts)
    assert [tuple(row) for row in (await state(database_url))[1]] == [(1, None)]


async def test_a_migration_that_fails_leaves_nothing(database_url: str, scripts: Path) -> None:
    await upgrade(database_url, scripts)
    broken = scripts / "versions" / "0002_second.py"
    broken.write_text(SECOND.format(extra='raise ValueError("broken")'))
    with pytest.raises(ValueError, match="broken"):
        await upgrade(database_url, scripts)
    assert [tuple(row) for row in (await state(database_url))[1]] == [(1,)]


async def test_a_database_of_a_later_version_is_left_alone(
    database_url: str, scripts: Path
) -> None:
    later = scripts / "versions" / "0002_second.py"
    later.write_text(SECOND.format(extra="pass"))
    await upgrade(database_url, scripts)
    later.unlink()
    await upgrade(database_url, scripts)
    assert [tuple(row) for row in (await state(database_url))[1]] == [(1, None)]


async def test_a_revision_that_is_not_later_and_unknown_is_an_error(
    database_url: str, scripts: Path
) -> None:
    await upgrade(database_url, scripts)
    first = scripts / "versions" / "0001_first.py"
    first.write_text(FIRST.replace('revision = "0001"', 'revision = "0003"'))
    with pytest.raises(CommandError, match="0001"):
        await upgrade(database_url, scripts)
