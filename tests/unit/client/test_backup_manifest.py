"""A backup says what it holds, and anything else is refused before a byte is written."""

import json
import sqlite3
from contextlib import closing

import pytest

from siyu_client.backup import manifest, sqlite_store
from siyu_client.backup.manifest import BackupError, Manifest, StoreEntry
from siyu_client.backup.put_back import put_back
from siyu_client.backup.stores import DATABASES, Stores
from siyu_client.backup.take import key_checks, take

KEY = "5e" * 32


def platform(folder):
    """A stopped platform's folder, as small as may be."""
    stores = Stores(folder)
    for service in DATABASES:
        path = stores.sqlite(service)
        path.parent.mkdir(parents=True)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE alembic_version (version_num TEXT)")
            database.execute("INSERT INTO alembic_version VALUES ('0007')")
            database.execute(
                "CREATE TABLE kit_restore (backup_id, backup_ms, restored_ms, lifted_ms)"
            )
            database.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, what TEXT)")
            database.execute("INSERT INTO thing VALUES (1, ?)", (service,))
    (stores.engine / "store").mkdir(parents=True)
    (stores.engine / "store" / "part.bin").write_bytes(b"rows" * 1000)
    (stores.engine / "current").symlink_to("store")
    stores.redis.mkdir()
    (stores.redis / "appendonly.aof").write_bytes(b"entries")
    return stores


def keys_in(folder, key=KEY):
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    for service in DATABASES:
        (folder / "keys" / f"{service}.key").write_text(key + "\n")


@pytest.fixture
def taken(tmp_path):
    stores = platform(tmp_path / "here")
    keys_in(stores.folder)
    return stores, take(stores, tmp_path / "backup", [])


def test_what_is_put_back_is_what_was_taken(taken, tmp_path):
    _, made = taken
    keys_in(tmp_path / "there")
    there = Stores(tmp_path / "there")
    found = put_back(there, tmp_path / "backup", expected=made.digest)
    assert found == made.manifest
    for service in DATABASES:
        with closing(sqlite3.connect(there.sqlite(service))) as database:
            assert database.execute("SELECT what FROM thing").fetchall() == [(service,)]
            marks = database.execute(
                "SELECT backup_id, backup_ms, lifted_ms FROM kit_restore"
            ).fetchall()
        assert marks == [(found.backup_id, found.created_ms, None)]
    assert (there.engine / "current" / "part.bin").read_bytes() == b"rows" * 1000
    assert (there.redis / "appendonly.aof").read_bytes() == b"entries"
    assert {name: store.kind for name, store in found.stores.items()} == {
        **dict.fromkeys(DATABASES, "sqlite"), "engine": "engine", "streams": "redis-files",
    }  # fmt: skip


def test_no_key_is_in_it(taken, tmp_path):
    for path in (tmp_path / "backup").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert KEY.encode() not in content
            assert bytes.fromhex(KEY) not in content


def test_it_shows_one_moment_while_a_writer_goes_on(tmp_path):
    source, target = tmp_path / "live.db", tmp_path / "copy.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY)")
        writer.executemany("INSERT INTO thing VALUES (?)", [(n,) for n in range(1000)])
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM thing")  # not committed
        sqlite_store.dump(source, target)
        writer.execute("ROLLBACK")
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM thing").fetchone() == (1000,)
    assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]


def altered_byte(folder):
    path = folder / "touch" / "state.db"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def turned_link(folder):
    (folder / "engine" / "current").unlink()
    (folder / "engine" / "current").symlink_to("/etc")


def removed(folder):
    (folder / "streams" / "appendonly.aof").unlink()


def added(folder):
    (folder / "engine" / "more.bin").write_bytes(b"x")


def forged_manifest(folder):
    path = folder / manifest.NAME
    found = json.loads(path.read_text())
    found["created_ms"] += 1
    path.write_text(json.dumps(found))


def no_manifest(folder):
    (folder / manifest.NAME).unlink()


@pytest.mark.parametrize(
    "spoil", [altered_byte, turned_link, removed, added, forged_manifest, no_manifest]
)
def test_an_altered_backup_is_refused_and_nothing_is_written(taken, tmp_path, spoil):
    spoil(tmp_path / "backup")
    keys_in(tmp_path / "there")
    with pytest.raises(BackupError):
        put_back(Stores(tmp_path / "there"), tmp_path / "backup")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["keys"]


def test_a_manifest_forged_with_its_digest_is_told_by_the_digest_kept_elsewhere(taken, tmp_path):
    _, made = taken
    folder = tmp_path / "backup"
    altered_byte(folder)
    found = manifest.read(folder)
    again = Manifest(**{**vars(found), "files": manifest.digests(folder)})
    manifest.write(folder, again)
    keys_in(tmp_path / "there")
    with pytest.raises(BackupError, match="altered"):
        put_back(Stores(tmp_path / "there"), folder, expected=made.digest)


def test_other_keys_missing_keys_and_full_stores_are_refused(taken, tmp_path):
    stores, _ = taken
    backup = tmp_path / "backup"
    with pytest.raises(BackupError, match="keys are missing"):
        put_back(Stores(tmp_path / "bare"), backup)
    keys_in(tmp_path / "other", "aa" * 32)
    with pytest.raises(BackupError, match="not those of the backup"):
        put_back(Stores(tmp_path / "other"), backup)
    with pytest.raises(BackupError, match="exists"):
        put_back(stores, backup)
    with pytest.raises(BackupError, match="exists"):
        take(stores, backup, [])


def test_a_damaged_database_is_not_taken_for_a_backup(taken, tmp_path):
    stores, _ = taken
    path = stores.sqlite("profile")
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096)
    with pytest.raises(BackupError, match=r"profile/state\.db is damaged"):
        take(stores, tmp_path / "second", [])
    assert not (tmp_path / "second").exists()


def test_check_values_tell_keys_apart(tmp_path):
    keys_in(tmp_path)
    first = key_checks(Stores(tmp_path))
    keys_in(tmp_path, "aa" * 32)
    assert first.keys() == key_checks(Stores(tmp_path)).keys() == set(DATABASES)
    assert first != key_checks(Stores(tmp_path))
    assert all(len(value) == 16 for value in first.values())


def test_external_stores_are_named_in_a_file_whose_urls_are_in_files(tmp_path):
    secret = tmp_path / "url"
    secret.write_text("postgresql+asyncpg://u:pw@h/db\n")
    named = tmp_path / "stores.json"
    named.write_text(json.dumps({"databases": {"touch": str(secret)}, "streams": str(secret)}))
    stores = Stores.of(tmp_path, named)
    assert stores.database_urls == {"touch": "postgresql+asyncpg://u:pw@h/db"}
    named.write_text(json.dumps({"databases": {"nobody": str(secret)}}))
    with pytest.raises(BackupError, match="nobody"):
        Stores.of(tmp_path, named)
    named.write_text("postgresql://u:pw@h/db")
    with pytest.raises(BackupError) as caught:
        Stores.of(tmp_path, named)
    assert "pw" not in str(caught.value)
    assert StoreEntry("sqlite").detail == {}
