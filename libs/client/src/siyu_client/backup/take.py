"""Makes a backup: everything at one moment, then digests, then the manifest."""

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siyu_client.backup import manifest, postgres_store, sqlite_store, stream_store
from siyu_client.backup.manifest import BackupError, Manifest, StoreEntry
from siyu_client.backup.pause import held
from siyu_client.backup.stores import DATABASES, Stores
from siyu_kit.ids import new_id

_PARTIAL = ".partial"


@dataclass(frozen=True)
class Taken:
    """What was made."""

    manifest: Manifest
    digest: str
    """Of the manifest; kept elsewhere it shows later that the backup is the one that was made."""
    held_s: float
    """How long the services stood still."""


def take(stores: Stores, target: Path, groups: Sequence[int]) -> Taken:
    """Back up into a folder that does not exist yet; ``groups``: the processes to hold still."""
    if target.exists():
        raise BackupError(f"{target} exists")
    partial = target.with_name(target.name + _PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    started = time.monotonic()
    with held(groups):
        created_ms = time.time_ns() // 1_000_000
        entries = _copy(stores, partial)
    held_s = time.monotonic() - started
    found = Manifest(
        backup_id=new_id(),
        created_ms=created_ms,
        stores=entries,
        keys=key_checks(stores),
        files=manifest.digests(partial),
    )
    digest = manifest.write(partial, found)
    partial.rename(target)
    return Taken(found, digest, held_s)


def key_checks(stores: Stores) -> dict[str, str]:
    """Check values of the services' keys."""
    return {
        path.stem: manifest.check_value(path.read_bytes().strip())
        for path in sorted(stores.keys.glob("*.key"))
    }


def _copy(stores: Stores, target: Path) -> dict[str, StoreEntry]:
    entries: dict[str, StoreEntry] = {}
    for service in DATABASES:
        place = target / service
        if url := stores.database_urls.get(service):
            place.mkdir()
            detail = asyncio.run(postgres_store.dump(url, place))
            entries[service] = StoreEntry("postgresql", detail)
        else:
            sqlite_store.dump(stores.sqlite(service), place / "state.db")
            revision = sqlite_store.revision(place / "state.db")
            entries[service] = StoreEntry("sqlite", {"revision": revision})
    if stores.engine.is_dir():
        shutil.copytree(stores.engine, target / "engine", symlinks=True)
        entries["engine"] = StoreEntry("engine")
    if stores.stream_url:
        keys = stream_store.dump(stores.stream_url, target / "streams")
        entries["streams"] = StoreEntry("redis-keys", {"keys": keys})
    else:
        shutil.copytree(stores.redis, target / "streams")
        entries["streams"] = StoreEntry("redis-files")
    return entries
