"""Campaigns and sends keep the trace of what moved them; unknown sends are found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_UNKNOWN = sa.text("state = 10")


def upgrade() -> None:
    op.add_column("campaign", sa.Column("trace", sa.String(55), nullable=True))
    op.add_column("send", sa.Column("trace", sa.String(55), nullable=True))
    op.create_index(
        "send_unknown",
        "send",
        ["project_id", "channel"],
        sqlite_where=_UNKNOWN,
        postgresql_where=_UNKNOWN,
    )


def downgrade() -> None:
    op.drop_index("send_unknown", "send")
    op.drop_column("send", "trace")
    op.drop_column("campaign", "trace")
