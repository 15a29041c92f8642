"""What the sink passes over and buries, and the doors' ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name in ("passed", "dead_lettered"):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
        op.add_column("project_events", column)
    op.create_table(
        "ledger",
        sa.Column("door", sa.String(50), primary_key=True),
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("outcome", sa.String(100), primary_key=True),
        sa.Column("events", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "ledger_settled",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("lost", sa.BigInteger, nullable=False),
        sa.Column("settled_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("ledger_settled")
    op.drop_table("ledger")
    for name in ("dead_lettered", "passed"):
        op.drop_column("project_events", name)
