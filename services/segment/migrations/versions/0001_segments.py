"""Segments, their versions and runs; the kit's own tables."""

import sqlalchemy as sa
from alembic import op

from siyu_kit.sql.migrate import create_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables(op.get_bind())
    op.create_table(
        "segment",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("segment_id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.String(1000), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("create_time_ms", sa.BigInteger, nullable=False),
        sa.Column("update_time_ms", sa.BigInteger, nullable=False),
        sa.Column("published_run_id", sa.String(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("project_id", "name", name="segment_name"),
    )
    op.create_table(
        "segment_version",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("segment_id", sa.String(40), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("condition", sa.LargeBinary, nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
    )
    op.create_table(
        "segment_run",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("run_id", sa.String(40), primary_key=True),
        sa.Column("segment_id", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("start_time_ms", sa.BigInteger, nullable=False),
        sa.Column("end_time_ms", sa.BigInteger, nullable=False),
        sa.Column("definition_digest", sa.String(64), nullable=False),
        sa.Column("as_of_time_ms", sa.BigInteger, nullable=False),
        sa.Column("batch_no", sa.BigInteger, nullable=False),
        sa.Column("identity_sequence", sa.BigInteger, nullable=False),
        sa.Column("profile_sequence", sa.BigInteger, nullable=False),
        sa.Column("result_digest", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("entered", sa.BigInteger, nullable=False),
        sa.Column("left_count", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Integer, nullable=False),
        sa.Column("failure", sa.String(500), nullable=False),
        sa.Column("members", sa.LargeBinary, nullable=True),
    )


def downgrade() -> None:
    for name in ("segment_run", "segment_version", "segment"):
        op.drop_table(name)
