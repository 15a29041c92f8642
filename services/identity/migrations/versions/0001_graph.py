"""The graph of identifiers; the kit's own tables."""

import sqlalchemy as sa
from alembic import op

import siyu_kit.sql.request_keys  # noqa: F401 - adds its table to the kit's
from siyu_kit.sql.migrate import create_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables(op.get_bind())
    op.create_table(
        "ident",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("ident_no", sa.Integer, primary_key=True),
        sa.Column("type", sa.String(30), nullable=False),
        sa.Column("lookup", sa.LargeBinary, nullable=False),
        sa.Column("person_key", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("component", sa.Integer, nullable=False),
        sa.Column("person_no", sa.Integer, nullable=False),
        sa.Column("quarantined", sa.Boolean, nullable=False),
        sa.UniqueConstraint("project_id", "lookup", name="ident_lookup"),
        sa.UniqueConstraint("project_id", "person_key", name="ident_person_key"),
        sa.Index("ident_component", "project_id", "component"),
    )
    op.create_table(
        "evidence",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("left_no", sa.Integer, primary_key=True),
        sa.Column("right_no", sa.Integer, primary_key=True),
        sa.Column("strength", sa.Integer, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("linked_ms", sa.BigInteger, nullable=False),
        sa.Column("unlinked_ms", sa.BigInteger, nullable=False),
        sa.Index("evidence_right", "project_id", "right_no"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conflict",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("left_no", sa.Integer, primary_key=True),
        sa.Column("right_no", sa.Integer, primary_key=True),
        sa.Column("reason", sa.String(30), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counter",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for name in ("counter", "conflict", "evidence", "ident"):
        op.drop_table(name)
