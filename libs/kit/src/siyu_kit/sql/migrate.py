"""Schema migrations at start: alembic, inside asyncio, safe when several processes start at once.

A service's ``migrations/env.py`` is two lines::

    from siyu_kit.sql.migrate import run_env
    run_env()

and its first migration calls ``create_kit_tables(op.get_bind())``.
"""

from pathlib import Path
from typing import Final

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, text

from siyu_kit.sql.dialect import Dialect
from siyu_kit.sql.engine import Database
from siyu_kit.sql.request_keys import request_key
from siyu_kit.sql.sql_errors import connecting, surfaced
from siyu_kit.sql.tables import dead_letter, feed, kit_metadata, lease, outbox, position

# Any fixed number will do: one lock a database, since a service owns its database alone.
_ADVISORY_LOCK: Final = 7_103_552


async def upgrade(url: str, script_location: str | Path, revision: str = "head") -> None:
    """Bring the database at ``url`` to ``revision``; all steps commit together or not at all.

    A second starter waits for the first and then finds nothing to do.
    """
    database = Database(url, pool_size=1, statement_timeout_s=3600, idle_in_transaction_s=3600)
    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))

    def migrate(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    try:
        with surfaced():
            async with database.writer.connect() as connection:
                # SQLite's BEGIN IMMEDIATE is the lock already.
                with connecting():
                    await connection.begin()
                if database.dialect is Dialect.POSTGRESQL:
                    await connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
                    )
                await connection.run_sync(migrate)
                await connection.commit()
    finally:
        await database.aclose()


def run_env() -> None:
    """The body of a service's ``migrations/env.py``: run in the transaction that holds the lock."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, transactional_ddl=True, render_as_batch=True, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()


def create_kit_tables(connection: Connection) -> None:
    """Create the kit's tables (see ``tables``); those that exist are left alone."""
    kit_metadata.create_all(
        connection, tables=[lease, position, dead_letter, outbox, feed, request_key]
    )
