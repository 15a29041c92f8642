"""What each evidence id stands for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "evidence_id",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("lookup", sa.LargeBinary, primary_key=True),
        sa.Column("said", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("evidence_id")
