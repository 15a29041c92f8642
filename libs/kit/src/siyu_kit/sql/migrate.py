"""Schema migrations at start: alembic, inside asyncio, safe when several processes start at once.

A database that a later version has migrated already is left as it is: a release keeps to what the
one before it can read and write, so that it can be rolled out, and back, under load.

A service's ``migrations/env.py`` is two lines::

    from siyu_kit.sql.migrate import run_env
    run_env()

and its first migration calls ``create_kit_tables(op.get_bind())``.
"""

import sys
from itertools import count
from pathlib import Path
from typing import Final

from alembic import command, context
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text

from siyu_kit.clock import SystemClock
from siyu_kit.concurrency import Backoff
from siyu_kit.crypto.chain import GENESIS
from siyu_kit.errors import Conflict
from siyu_kit.failpoints import failpoint
from siyu_kit.log import get_logger
from siyu_kit.sql.dialect import Dialect
from siyu_kit.sql.engine import Database
from siyu_kit.sql.request_keys import request_key
from siyu_kit.sql.sql_errors import connecting, surfaced
from siyu_kit.sql.tables import (
    AUDIT_HEAD,
    audit,
    audit_head,
    data_key,
    dead_letter,
    dead_letter_change,
    feed,
    kit_metadata,
    lease,
    outbox,
    position,
    restore,
)

# Any fixed number will do: one lock a database, since a service owns its database alone.
_ADVISORY_LOCK: Final = 7_103_552
# Whoever asks for a table after a waiting migration waits behind it, and has a deadline. It is also
# well under PostgreSQL's deadlock_timeout of 1 s: where neither side waited before, the migration
# gives way before a caller could be the one to fall.
_LOCK_TIMEOUT_MS: Final = 300
# An automatic vacuum leaves a table to one who has waited for the deadlock_timeout, and only then.
_LONG_LOCK_TIMEOUT_MS: Final = 1_500
_LONG_EVERY: Final = 5
"""Attempts of which one waits longer."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0
_PATIENCE_S: Final = 240.0
"""Less than a Job or a start is given, so that the reason is told."""

logger = get_logger(__name__)


def migrations_of(service: str, module_file: str) -> Path:
    """The folder of a service's steps: beside its sources, else where its wheel installs them."""
    beside = Path(module_file).resolve().parents[2] / "migrations"
    if beside.is_dir():
        return beside
    return Path(sys.prefix) / "share" / "siyu" / service / "migrations"


async def upgrade(url: str, script_location: str | Path, revision: str = "head") -> None:
    """Bring the database at ``url`` to ``revision``; all steps commit together or not at all.

    A second starter waits for the first and then finds nothing to do. Where the release before is
    at work on the tables, the migration is the one that gives way: it lets go of all it holds, and
    comes again. Raises Conflict when they are never free for long enough.
    """
    database = Database(url, pool_size=1, statement_timeout_s=3600, idle_in_transaction_s=3600)
    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))
    clock = SystemClock()
    backoff = Backoff(clock, _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
    until = clock.monotonic() + _PATIENCE_S
    try:
        for attempt in count(1):
            long = attempt % _LONG_EVERY == 0
            timeout_ms = _LONG_LOCK_TIMEOUT_MS if long else _LOCK_TIMEOUT_MS
            try:
                return await _migrate(database, config, revision, timeout_ms)
            except Conflict as lost:
                if clock.monotonic() >= until:
                    raise
                logger.warning("migration_gave_way", **lost.metadata)
            await backoff.pause()
    finally:
        await database.aclose()


async def _migrate(database: Database, config: Config, revision: str, lock_timeout_ms: int) -> None:
    """One attempt, in one transaction."""
    with surfaced():
        async with database.writer.connect() as connection:
            # SQLite's BEGIN IMMEDIATE is the lock already.
            with connecting():
                await connection.begin()
            if database.dialect is Dialect.POSTGRESQL:
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
                )
                # After the other starters, of which one may well take long.
                await connection.execute(text(f"SET LOCAL lock_timeout = {lock_timeout_ms}"))
            failpoint("migration.start")
            await connection.run_sync(_run_steps, config, revision)
            failpoint("migration.before_commit")
            await connection.commit()


def _run_steps(connection: Connection, config: Config, revision: str) -> None:
    ahead = _ahead(connection, config)
    if ahead is not None:
        logger.warning("schema_is_newer", revision=ahead)
        return
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _ahead(connection: Connection, config: Config) -> str | None:
    """The database's revision, when it is of a later version; revisions are numbered."""
    current = MigrationContext.configure(connection).get_current_revision()
    head = ScriptDirectory.from_config(config).get_current_head()
    if current is None or head is None or not (current.isdigit() and head.isdigit()):
        return None
    return current if int(current) > int(head) else None


def run_env() -> None:
    """The body of a service's ``migrations/env.py``: run in the transaction that holds the lock."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, transactional_ddl=True, render_as_batch=True, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()


def create_kit_tables(connection: Connection) -> None:
    """Create the kit's tables (see ``tables``), and the columns that came later.

    What exists is left alone, so that a later migration may call it again.
    """
    tables = [lease, position, dead_letter, dead_letter_change, outbox, feed, request_key]
    kit_metadata.create_all(connection, tables=[*tables, audit, audit_head, data_key, restore])
    if connection.execute(select(audit_head.c.id)).first() is None:
        first = {"id": AUDIT_HEAD, "number": 0, "digest": GENESIS}
        connection.execute(insert(audit_head), [first])
    known = {column["name"] for column in inspect(connection).get_columns(dead_letter.name)}
    if "discarded_ms" not in known:
        connection.execute(text(f"ALTER TABLE {dead_letter.name} ADD COLUMN discarded_ms BIGINT"))
