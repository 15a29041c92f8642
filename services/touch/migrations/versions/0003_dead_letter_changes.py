"""What people do about dead letters is recorded in the kit's own tables."""

from alembic import op

import siyu_kit.sql.request_keys  # noqa: F401 - adds its table to the kit's
from siyu_kit.sql.migrate import create_kit_tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    create_kit_tables(op.get_bind())


def downgrade() -> None:
    """The kit's tables stay."""
