"""Who did what is kept in the kit's audit tables."""

from alembic import op

import siyu_kit.sql.request_keys  # noqa: F401 - adds its table to the kit's
from siyu_kit.sql.migrate import create_kit_tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    create_kit_tables(op.get_bind())


def downgrade() -> None:
    """The kit's tables stay: the record of what was done outlives a release."""
