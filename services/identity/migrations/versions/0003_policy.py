"""Policies, pairs that stay apart, and what is laid down about an identifier."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("ident", sa.Column("flags", sa.Integer, nullable=False, server_default="0"))
    op.create_index(
        "ident_quarantined",
        "ident",
        ["project_id", "ident_no"],
        sqlite_where=sa.text("quarantined"),
        postgresql_where=sa.text("quarantined"),
    )
    op.add_column("conflict", sa.Column("detail", sa.String(30), nullable=False, server_default=""))
    op.create_table(
        "apart",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("left_no", sa.Integer, primary_key=True),
        sa.Column("right_no", sa.Integer, primary_key=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Index("apart_right", "project_id", "right_no"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "policy",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("policy")
    op.drop_table("apart")
    op.drop_column("conflict", "detail")
    op.drop_index("ident_quarantined", "ident")
    op.drop_column("ident", "flags")
