"""Templates, campaigns, sends, decisions and what belongs to them; the kit's own tables."""

import sqlalchemy as sa
from alembic import op

from siyu_kit.sql.migrate import create_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables(op.get_bind())
    _definitions()
    _sends()
    _record()


def _definitions() -> None:
    op.create_table(
        "template",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("template_id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("channel", sa.Integer, nullable=False),
        sa.Column("message_class", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("traits", sa.Text, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("approver", sa.String(255), nullable=False),
        sa.Column("create_time_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "campaign",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("campaign_id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("segment_id", sa.String(100), nullable=False),
        sa.Column("template_ids", sa.Text, nullable=False),
        sa.Column("product_risk", sa.Integer, nullable=False),
        sa.Column("holdout_basis_points", sa.Integer, nullable=False),
        sa.Column("quiet_from", sa.Integer),
        sa.Column("quiet_to", sa.Integer),
        sa.Column("cap_messages", sa.Integer),
        sa.Column("cap_days", sa.Integer),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("expire_after_ms", sa.BigInteger, nullable=False),
        sa.Column("goal", sa.LargeBinary, nullable=False),
        sa.Column("goal_window_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("create_time_ms", sa.BigInteger, nullable=False),
        sa.Column("launch_time_ms", sa.BigInteger, nullable=False),
        sa.Column("segment_run_id", sa.String(40), nullable=False),
        sa.Column("planned_to", sa.BigInteger, nullable=False),
        sa.Column("planned", sa.Boolean, nullable=False),
        sa.UniqueConstraint("project_id", "name", name="campaign_name"),
    )
    op.create_index("campaign_state", "campaign", ["state", "launch_time_ms"])
    op.create_table(
        "audience",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("campaign_id", sa.String(40), primary_key=True),
        sa.Column("members", sa.LargeBinary, nullable=False),
        sa.Column("held_out", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "kill_switch",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("change_no", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("engaged", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_by", sa.String(255), nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
    )


def _sends() -> None:
    op.create_table(
        "send",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("send_key", sa.String(64), primary_key=True),
        sa.Column("campaign_id", sa.String(40), nullable=False),
        sa.Column("person_no", sa.BigInteger, nullable=False),
        sa.Column("channel", sa.Integer, nullable=False),
        sa.Column("message_class", sa.Integer, nullable=False),
        sa.Column("template_id", sa.String(40), nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("gate", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("provider_message_id", sa.String(255), nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("expire_ms", sa.BigInteger, nullable=False),
        sa.Column("update_time_ms", sa.BigInteger, nullable=False),
        sa.Column("claim_holder", sa.String(200), nullable=False),
        sa.Column("claim_epoch", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "send_due", "send", ["project_id", "campaign_id", "channel", "state", "person_no"]
    )
    op.create_index("send_person", "send", ["project_id", "campaign_id", "person_no"])
    op.create_index(
        "send_claimed",
        "send",
        ["claim_holder"],
        sqlite_where=sa.text("claim_holder <> ''"),
        postgresql_where=sa.text("claim_holder <> ''"),
    )
    op.create_table(
        "recipient",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("campaign_id", sa.String(40), primary_key=True),
        sa.Column("channel", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("recipient", sa.String(80), primary_key=True),
        sa.Column("send_key", sa.String(64), nullable=False),
    )
    op.create_table(
        "reservation",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("person_no", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("send_key", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("reservation_send", "reservation", ["project_id", "send_key"], unique=True)


def _record() -> None:
    op.create_table(
        "attempt",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("send_key", sa.String(64), primary_key=True),
        sa.Column("attempt_no", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger),
        sa.Column("answer", sa.String(16)),
        sa.Column("reason", sa.String(200)),
    )
    op.create_table(
        "decision_head",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "decision",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("campaign_id", sa.String(40), nullable=False),
        sa.Column("person_no", sa.BigInteger, nullable=False),
        sa.Column("send_key", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("verdicts", sa.Text, nullable=False),
        sa.Column("decision_time_ms", sa.BigInteger, nullable=False),
        sa.Column("chain_digest", sa.String(64), nullable=False),
    )
    op.create_index(
        "decision_person", "decision", ["project_id", "campaign_id", "person_no", "sequence"]
    )
    op.create_table(
        "inbox",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("send_key", sa.String(64), primary_key=True),
        sa.Column("person_no", sa.BigInteger, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("send_time_ms", sa.BigInteger, nullable=False),
        sa.Column("expire_time_ms", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "inbox_person", "inbox", ["project_id", "person_no", "send_time_ms", "send_key"]
    )
    op.create_table(
        "receipt",
        sa.Column("project_id", sa.String(100), primary_key=True),
        sa.Column("send_key", sa.String(64), primary_key=True),
        sa.Column("state", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("event_time_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for name in (
        "receipt",
        "inbox",
        "decision",
        "decision_head",
        "attempt",
        "reservation",
        "recipient",
        "send",
        "kill_switch",
        "audience",
        "campaign",
        "template",
    ):
        op.drop_table(name)
