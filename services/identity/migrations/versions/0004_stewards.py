"""Proposals, reviews, runs, and whose an identifier was at a sequence of the feed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("proposal_id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.String(200), nullable=False),
        sa.Column("proposed_ms", sa.BigInteger, nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("decided_ms", sa.BigInteger, nullable=False),
        sa.Column("last_row", sa.BigInteger, nullable=False),
        sa.Column("policy_version", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
    )
    op.create_table(
        "review",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("left_no", sa.Integer, primary_key=True),
        sa.Column("right_no", sa.Integer, primary_key=True),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("submitted_by", sa.String(200), nullable=False),
        sa.Column("submitted_ms", sa.BigInteger, nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("decided_ms", sa.BigInteger, nullable=False),
        sa.Index("review_right", "project_id", "right_no"),
        sa.Index("review_state", "project_id", "state", "left_no", "right_no"),
    )
    op.create_table(
        "run",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("run_id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Index("run_state", "state", "run_id"),
    )
    op.create_table(
        "placement",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("ident_no", sa.Integer, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True),
        sa.Column("person_no", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sealed",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True),
        sa.Column("commit_ms", sa.BigInteger, nullable=False),
        sa.Index("sealed_time", "project_id", "commit_ms"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for name in ("sealed", "placement", "run", "review", "proposal"):
        op.drop_table(name)
