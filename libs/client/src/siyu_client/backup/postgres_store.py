"""A PostgreSQL database as one binary COPY a table, from one snapshot.

No client programs of a certain version are needed, and the server may be a newer one at the
restore: the tables are made by the service's own migrations and filled again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]

from siyu_client.backup.manifest import BackupError

_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
_COLUMNS: Final = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""
_SEQUENCES: Final = """
SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_name), column_name)
FROM information_schema.columns
WHERE table_schema = current_schema()
  AND pg_get_serial_sequence(quote_ident(table_name), column_name) IS NOT NULL
"""


async def dump(url: str, folder: Path) -> dict[str, Any]:
    """Copy every table into the folder, which exists; what a load has to know."""
    connection = await asyncpg.connect(_dsn(url))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables: dict[str, list[str]] = {}
            for row in await connection.fetch(_TABLES):
                name = row["tablename"]
                tables[name] = [r["column_name"] for r in await connection.fetch(_COLUMNS, name)]
                await connection.copy_from_table(
                    name, columns=tables[name], output=folder / f"{name}.copy", format="binary"
                )
            version = await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()
    return {"tables": tables, "revision": version}


async def check_empty(url: str) -> None:
    """Raise BackupError unless the database has no table yet."""
    connection = await asyncpg.connect(_dsn(url))
    try:
        if found := await connection.fetch(_TABLES):
            raise BackupError(f"the database has {len(found)} tables: restore into an empty one")
    finally:
        await connection.close()


async def load(url: str, folder: Path, detail: Mapping[str, Any]) -> None:
    """Fill the tables, which the migrations have made; all of them or none."""
    connection = await asyncpg.connect(_dsn(url))
    try:
        async with connection.transaction():
            for name, columns in detail["tables"].items():
                await connection.execute(f'TRUNCATE "{name}"')
                await connection.copy_to_table(
                    name, columns=columns, source=folder / f"{name}.copy", format="binary"
                )
            for table, column, sequence in await connection.fetch(_SEQUENCES):
                last = await connection.fetchval(f'SELECT max("{column}") FROM "{table}"')  # noqa: S608
                await connection.execute("SELECT setval($1, $2, false)", sequence, (last or 0) + 1)
    finally:
        await connection.close()


def _dsn(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)
