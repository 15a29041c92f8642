"""The kit's own tables, one set in each service's database (service-wide, hence no project key)."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

kit_metadata: Final = MetaData()

AUDIT_HEAD: Final = 1
"""The id of the one row of ``kit_audit_head``."""

# SQLite makes only an INTEGER PRIMARY KEY its row id, and counts it up for ever with AUTOINCREMENT.
_RowId = BigInteger().with_variant(Integer(), "sqlite")

lease: Final = Table(
    "kit_lease",
    kit_metadata,
    Column("name", String(200), primary_key=True),
    Column("holder", String(200), nullable=False),
    # The fencing token: grows with every change of hands.
    Column("epoch", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

position: Final = Table(
    "kit_position",
    kit_metadata,
    Column("reader", String(100), primary_key=True),
    Column("topic", String(100), primary_key=True),
    Column("partition", Integer, primary_key=True),
    # The id of the last entry whose effect is committed.
    Column("position", String(50), nullable=False),
)

dead_letter: Final = Table(
    "kit_dead_letter",
    kit_metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("reader", String(100), nullable=False),
    Column("topic", String(100), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("entry_id", String(50), nullable=False),
    Column("project_id", String(100), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("kinds", Integer, nullable=False),
    Column("trace", String(100)),
    Column("reason", String(100), nullable=False),
    Column("message", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # NULL until the entry was handled after all, or given up by a person.
    Column("replayed_ms", BigInteger),
    Column("discarded_ms", BigInteger),
    sqlite_autoincrement=True,
)
Index("kit_dead_letter_open", dead_letter.c.id, sqlite_where=text("replayed_ms IS NULL"),
      postgresql_where=text("replayed_ms IS NULL"))  # fmt: skip

dead_letter_change: Final = Table(
    "kit_dead_letter_change",
    kit_metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("dead_letter_id", BigInteger, nullable=False),
    Column("action", String(20), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    # Of a fix: the payload that it replaced.
    Column("payload", LargeBinary),
    Column("created_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
Index("kit_dead_letter_change_of", dead_letter_change.c.dead_letter_id)

outbox: Final = Table(
    "kit_outbox",
    kit_metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("topic", String(100), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("project_id", String(100), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("kinds", Integer, nullable=False),
    Column("trace", String(100)),
    Column("created_ms", BigInteger, nullable=False),
    # Dense per topic and partition; NULL until the relay assigns it.
    Column("sequence", BigInteger),
    sqlite_autoincrement=True,
)
Index("kit_outbox_pending", outbox.c.topic, outbox.c.partition, outbox.c.id,
      sqlite_where=text("sequence IS NULL"),
      postgresql_where=text("sequence IS NULL"))  # fmt: skip
Index("kit_outbox_sequence", outbox.c.topic, outbox.c.partition, outbox.c.sequence, unique=True)

feed: Final = Table(
    "kit_feed",
    kit_metadata,
    Column("topic", String(100), primary_key=True),
    Column("partition", Integer, primary_key=True),
    # The last sequence assigned, and the last one known to be published.
    Column("sequence", BigInteger, nullable=False),
    Column("published", BigInteger, nullable=False),
)

audit: Final = Table(
    "kit_audit",
    kit_metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("method", String(200), nullable=False),
    Column("project_id", String(100), nullable=False),
    Column("request_id", String(200), nullable=False),
    Column("trace_id", String(32), nullable=False),
    Column("outcome", String(40), nullable=False),
    Column("reason", String(100), nullable=False),
    Column("objects", Text, nullable=False),
    # Hexadecimal SM3; the digest covers the record, its number and the digest before it.
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)
Index("kit_audit_project", audit.c.project_id, audit.c.number)

audit_head: Final = Table(
    "kit_audit_head",
    kit_metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)

data_key: Final = Table(
    "kit_data_key",
    kit_metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    # Wrapped by a master key; empty once it was destroyed.
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # From then on it seals: every replica has loaded it before.
    Column("active_ms", BigInteger, nullable=False),
    # When nothing was left that an older version sealed; NULL until then.
    Column("swept_ms", BigInteger),
    Column("destroyed_ms", BigInteger),
)

restore: Final = Table(
    "kit_restore",
    kit_metadata,
    Column("backup_id", String(64), primary_key=True),
    Column("restored_ms", BigInteger, primary_key=True, autoincrement=False),
    # The moment that the backup shows.
    Column("backup_ms", BigInteger, nullable=False),
    # NULL until somebody has said that the world and the database agree again.
    Column("lifted_ms", BigInteger),
    Column("lifted_by", String(200)),
    Column("reason", Text),
)
