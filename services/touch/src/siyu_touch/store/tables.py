"""Tables of the touch service; ``project_id`` is the first column of every key."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData()


def _project() -> Column[str]:
    return Column("project_id", String(100), primary_key=True)


def _big(name: str, **given: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **given)


template: Final = Table(
    "template",
    metadata,
    _project(),
    Column("template_id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("channel", Integer, nullable=False),
    Column("message_class", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    # Names of traits, separated by spaces: no name holds one.
    Column("traits", Text, nullable=False),
    Column("state", Integer, nullable=False),
    Column("author", String(255), nullable=False),
    Column("approver", String(255), nullable=False),
    _big("create_time_ms"),
)

campaign: Final = Table(
    "campaign",
    metadata,
    _project(),
    Column("campaign_id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("segment_id", String(100), nullable=False),
    Column("template_ids", Text, nullable=False),
    Column("product_risk", Integer, nullable=False),
    Column("holdout_basis_points", Integer, nullable=False),
    Column("quiet_from", Integer),
    Column("quiet_to", Integer),
    Column("cap_messages", Integer),
    Column("cap_days", Integer),
    Column("zone", String(64), nullable=False),
    _big("expire_after_ms"),
    Column("goal", LargeBinary, nullable=False),
    _big("goal_window_ms"),
    Column("state", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    _big("create_time_ms"),
    _big("launch_time_ms"),
    Column("segment_run_id", String(40), nullable=False),
    _big("planned_to"),
    Column("planned", Boolean, nullable=False),
    # W3C traceparent of the launch.
    Column("trace", String(55)),
    UniqueConstraint("project_id", "name", name="campaign_name"),
)
Index("campaign_state", campaign.c.state, campaign.c.launch_time_ms)

audience: Final = Table(
    "audience",
    metadata,
    _project(),
    Column("campaign_id", String(40), primary_key=True),
    # Portable roaring bitmaps of person numbers.
    Column("members", LargeBinary, nullable=False),
    Column("held_out", LargeBinary, nullable=False),
)

send: Final = Table(
    "send",
    metadata,
    _project(),
    Column("send_key", String(64), primary_key=True),
    Column("campaign_id", String(40), nullable=False),
    _big("person_no"),
    Column("channel", Integer, nullable=False),
    Column("message_class", Integer, nullable=False),
    Column("template_id", String(40), nullable=False),
    Column("state", Integer, nullable=False),
    Column("gate", String(32), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("provider_message_id", String(255), nullable=False),
    _big("due_ms"),
    _big("expire_ms"),
    _big("update_time_ms"),
    # The dispatcher that works on it; empty: nobody.
    Column("claim_holder", String(200), nullable=False),
    _big("claim_epoch"),
    # W3C traceparent of what planned it, then of its last attempt.
    Column("trace", String(55)),
)
# In the order in which a dispatcher takes them.
Index("send_due", send.c.project_id, send.c.campaign_id, send.c.channel, send.c.state,
      send.c.person_no)  # fmt: skip
Index("send_person", send.c.project_id, send.c.campaign_id, send.c.person_no)
Index("send_claimed", send.c.claim_holder,
      sqlite_where=text("claim_holder <> ''"),
      postgresql_where=text("claim_holder <> ''"))  # fmt: skip
Index("send_unknown", send.c.project_id, send.c.channel,
      sqlite_where=text("state = 10"),
      postgresql_where=text("state = 10"))  # fmt: skip

recipient: Final = Table(
    "recipient",
    metadata,
    _project(),
    Column("campaign_id", String(40), primary_key=True),
    Column("channel", Integer, primary_key=True),
    # "person:<number>" or "address:<blind index>".
    Column("recipient", String(80), primary_key=True),
    Column("send_key", String(64), nullable=False),
)

reservation: Final = Table(
    "reservation",
    metadata,
    _project(),
    _big("person_no", primary_key=True, autoincrement=False),
    _big("day", primary_key=True, autoincrement=False),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("send_key", String(64), nullable=False),
    _big("at_ms"),
)
Index("reservation_send", reservation.c.project_id, reservation.c.send_key, unique=True)

attempt: Final = Table(
    "attempt",
    metadata,
    _project(),
    Column("send_key", String(64), primary_key=True),
    Column("attempt_no", Integer, primary_key=True, autoincrement=False),
    _big("start_ms"),
    # NULL until the provider answered; what a crash leaves so stays so.
    Column("end_ms", BigInteger),
    Column("answer", String(16)),
    Column("reason", String(200)),
)

decision_head: Final = Table(
    "decision_head",
    metadata,
    _project(),
    _big("sequence"),
    Column("digest", String(64), nullable=False),
)

decision: Final = Table(
    "decision",
    metadata,
    _project(),
    _big("sequence", primary_key=True, autoincrement=False),
    Column("campaign_id", String(40), nullable=False),
    _big("person_no"),
    Column("send_key", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("verdicts", Text, nullable=False),
    _big("decision_time_ms"),
    Column("chain_digest", String(64), nullable=False),
)
Index("decision_person", decision.c.project_id, decision.c.campaign_id, decision.c.person_no,
      decision.c.sequence)  # fmt: skip

inbox: Final = Table(
    "inbox",
    metadata,
    _project(),
    Column("send_key", String(64), primary_key=True),
    _big("person_no"),
    # Title and body, encrypted.
    Column("message", LargeBinary, nullable=False),
    _big("send_time_ms"),
    _big("expire_time_ms"),
)
Index("inbox_person", inbox.c.project_id, inbox.c.person_no, inbox.c.send_time_ms,
      inbox.c.send_key)  # fmt: skip

receipt: Final = Table(
    "receipt",
    metadata,
    _project(),
    Column("send_key", String(64), primary_key=True),
    Column("state", Integer, primary_key=True, autoincrement=False),
    _big("event_time_ms"),
    Column("reason", String(200), nullable=False),
    _big("received_ms"),
)

kill_switch: Final = Table(
    "kill_switch",
    metadata,
    _project(),
    # Every change stays on record; the last one counts.
    Column("change_no", Integer, primary_key=True, autoincrement=False),
    Column("engaged", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_by", String(255), nullable=False),
    _big("changed_ms"),
)
