"""A database at a service's newest revision for each test: made once, then copied."""

import asyncio
import hashlib
import tempfile
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, make_url

from siyu_kit.sql.migrate import upgrade

_FILES: Final[dict[Path, bytes]] = {}
"""SQLite databases as the steps leave them, by the folder of the steps."""


async def migrated(url: str, migrations: Path) -> None:
    """What ``upgrade(url, migrations)`` does to an empty database, sooner.

    One that is not empty is upgraded as it is.
    """
    at = make_url(url)
    if at.get_backend_name() == "sqlite":
        await _copied(Path(str(at.database)), migrations)
    elif not await _replaced(at, migrations):
        await upgrade(url, migrations)


async def _copied(path: Path, migrations: Path) -> None:
    if await asyncio.to_thread(path.exists):
        await upgrade(f"sqlite+aiosqlite:///{path}", migrations)
        return
    if migrations not in _FILES:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "made.db"
            await upgrade(f"sqlite+aiosqlite:///{made}", migrations)
            _FILES[migrations] = await asyncio.to_thread(made.read_bytes)
    await asyncio.to_thread(path.write_bytes, _FILES[migrations])


async def _replaced(at: URL, migrations: Path) -> bool:
    """Put a copy in an empty database's place; whether it was empty."""
    name = str(at.database)
    template = f"made_{hashlib.sha256(str(migrations).encode()).hexdigest()[:16]}"
    there = await _connected(at)
    try:
        if await there.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"):
            return False
    finally:
        await there.close()
    server = await _connected(at.set(database="postgres"))
    try:
        if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", template):
            await server.execute(f'CREATE DATABASE "{template}"')
            made = at.set(database=template)
            await upgrade(made.render_as_string(hide_password=False), migrations)
        await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await server.close()
    return True


async def _connected(at: URL) -> Any:
    return await asyncpg.connect(host=at.host, port=at.port, user=at.username, database=at.database)
