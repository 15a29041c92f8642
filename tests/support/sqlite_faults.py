"""Faults in a running service's SQLite database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def without_table(database: Path, table: str) -> Iterator[None]:
    """Inside the block the table is gone, as after a migration that was half undone."""
    _rename(database, table, f"{table}_gone")
    try:
        yield
    finally:
        _rename(database, f"{table}_gone", table)


def _rename(database: Path, table: str, name: str) -> None:
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        connection.execute(f'ALTER TABLE "{table}" RENAME TO "{name}"')
        connection.commit()
