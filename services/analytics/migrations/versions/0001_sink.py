"""The sink's plans and counts; the kit's own tables."""

import sqlalchemy as sa
from alembic import op

from siyu_kit.sql.migrate import create_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables(op.get_bind())
    op.create_table(
        "sink_plan",
        sa.Column("partition_no", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("batch_no", sa.BigInteger, nullable=False),
        sa.Column("first_id", sa.String(50), nullable=False),
        sa.Column("last_id", sa.String(50), nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
    )
    op.create_table(
        "sink_counter",
        sa.Column("counter", sa.String(20), primary_key=True),
        sa.Column("batch_no", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "project_events",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "project_feed",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("feed", sa.String(20), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "engine_secret",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    for name in ("engine_secret", "project_feed", "project_events", "sink_counter", "sink_plan"):
        op.drop_table(name)
