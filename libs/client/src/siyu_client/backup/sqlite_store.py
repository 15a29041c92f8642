"""An SQLite database as one whole file, by the engine's own online backup."""

import sqlite3
from contextlib import closing
from pathlib import Path

from siyu_client.backup.manifest import BackupError


def dump(source: Path, target: Path) -> None:
    """Copy what is committed, while a writer may go on; BackupError for a damaged database."""
    target.parent.mkdir(parents=True, exist_ok=True)
    name = f"{source.parent.name}/{source.name}"
    if not source.is_file():
        raise BackupError(f"{name} is missing")
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        try:
            live.backup(copy)
            (state,) = copy.execute("PRAGMA integrity_check").fetchone()
            # One file, without the log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.DatabaseError as error:
            raise BackupError(f"{name} is damaged: {error}") from error
    if state != "ok":
        raise BackupError(f"{name} is damaged: {state}")


def revision(database: Path) -> str:
    """The migration that the database is at."""
    with closing(sqlite3.connect(database)) as copy:
        row = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0])
