"""Puts a backup back: verified whole before a byte is written, with touch frozen afterwards."""

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing
from importlib import util
from pathlib import Path
from typing import Final

import asyncpg  # type: ignore[import-untyped]

from siyu_client.backup import manifest, postgres_store, stream_store
from siyu_client.backup.manifest import BackupError, Manifest
from siyu_client.backup.stores import Stores
from siyu_client.backup.take import key_checks
from siyu_kit.sql.migrate import migrations_of, upgrade

_MARK: Final = "INSERT INTO kit_restore (backup_id, backup_ms, restored_ms) VALUES ({})"


def put_back(stores: Stores, source: Path, *, expected: str = "") -> Manifest:
    """Restore into empty stores; the keys have to be there.

    Raises BackupError, before anything is written, for a backup that was altered, keys that are
    not those of the data, or stores that hold something.
    """
    found = manifest.read(source, expected=expected)
    manifest.verify(source, found)
    _check_keys(stores, found)
    _check_empty(stores, found)
    restored_ms = time.time_ns() // 1_000_000
    for service, entry in found.stores.items():
        if entry.kind == "sqlite":
            target = stores.sqlite(service)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(source / service / "state.db", target)
            target.chmod(0o600)
            _mark_sqlite(target, found, restored_ms)
        elif entry.kind == "postgresql":
            asyncio.run(_load(stores, service, source, found, restored_ms))
        elif entry.kind == "engine":
            shutil.copytree(source / "engine", stores.engine, symlinks=True)
        elif entry.kind == "redis-keys":
            stream_store.load(stores.stream_url, source / "streams")
        else:
            shutil.copytree(source / "streams", stores.redis)
    return found


def _check_keys(stores: Stores, found: Manifest) -> None:
    there = key_checks(stores)
    if missing := sorted(found.keys.keys() - there.keys()):
        raise BackupError(f"keys are missing in {stores.keys}: {', '.join(missing)}")
    if others := sorted(name for name in found.keys if found.keys[name] != there[name]):
        raise BackupError(f"keys are not those of the backup: {', '.join(others)}")


def _check_empty(stores: Stores, found: Manifest) -> None:
    for service, entry in found.stores.items():
        if entry.kind == "sqlite":
            _refuse(stores.sqlite(service))
        elif entry.kind == "postgresql":
            if service not in stores.database_urls:
                raise BackupError(f"{service} is of PostgreSQL: name its database")
            asyncio.run(postgres_store.check_empty(stores.database_urls[service]))
        elif entry.kind == "engine":
            _refuse(stores.engine)
        elif entry.kind == "redis-keys":
            if not stores.stream_url:
                raise BackupError("the streams are of an external server: name it")
            stream_store.check_empty(stores.stream_url)
        else:
            _refuse(stores.redis)


def _refuse(path: Path) -> None:
    if path.exists():
        raise BackupError(f"{path} exists: restore into an empty folder")


async def _load(
    stores: Stores, service: str, source: Path, found: Manifest, restored_ms: int
) -> None:
    url, detail = stores.database_urls[service], found.stores[service].detail
    await upgrade(url, _migrations(service), detail["revision"])
    await postgres_store.load(url, source / service, detail)
    await upgrade(url, _migrations(service))
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://", 1))
    try:
        values = (found.backup_id, found.created_ms, restored_ms)
        await connection.execute(_MARK.format("$1, $2, $3"), *values)
    finally:
        await connection.close()


def _mark_sqlite(database: Path, found: Manifest, restored_ms: int) -> None:
    """Note the restore: touch stays frozen until somebody lifts it."""
    values = (found.backup_id, found.created_ms, restored_ms)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(_MARK.format("?, ?, ?"), values)


def _migrations(service: str) -> Path:
    spec = util.find_spec(f"siyu_{service}")
    if spec is None or spec.origin is None:
        raise BackupError(f"siyu_{service} is not installed here: its migrations are needed")
    return migrations_of(service, spec.origin)
