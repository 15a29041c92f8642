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
    # NULL until the entry was handled after all.
    Column("replayed_ms", BigInteger),
    sqlite_autoincrement=True,
)
Index("kit_dead_letter_open", dead_letter.c.id, sqlite_where=text("replayed_ms IS NULL"),
      postgresql_where=text("replayed_ms IS NULL"))  # fmt: skip

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
