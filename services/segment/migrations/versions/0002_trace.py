"""Runs keep the trace of their refresh."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("segment_run", sa.Column("trace", sa.String(55), nullable=True))


def downgrade() -> None:
    op.drop_column("segment_run", "trace")
