"""Facts of identifiers, the person map, folded profiles; the kit's own tables."""

import sqlalchemy as sa
from alembic import op

from siyu_kit.sql.migrate import create_kit_tables

revision = "0001"
down_revision = None

_FACTS = ("trait_operation", "consent", "rating")


def _project() -> sa.Column:
    return sa.Column("project_id", sa.String(100), primary_key=True)


def _number(name: str, *, key: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=False, autoincrement=False)


def _fact(name: str, key_size: int, *columns: sa.Column) -> None:
    op.create_table(
        name,
        _project(),
        sa.Column("fact_id", sa.String(key_size), primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        _number("ident_no"),
        *columns,
    )


def upgrade() -> None:
    create_kit_tables(op.get_bind())
    op.create_table("person_map", _project(), _number("ident_no", key=True), _number("person_no"))
    op.create_index("person_map_person", "person_map", ["project_id", "person_no"])
    op.create_table(
        "person",
        _project(),
        _number("person_no", key=True),
        sa.Column("person_id", sa.String(32), nullable=False),
    )
    op.create_index("person_by_id", "person", ["project_id", "person_id"])
    op.create_table(
        "profile",
        _project(),
        _number("person_no", key=True),
        _number("version"),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    _fact(
        "trait_operation",
        210,
        sa.Column("trait", sa.String(100), nullable=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        _number("event_time_ms"),
    )
    _fact(
        "consent",
        100,
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("granted", sa.Boolean, nullable=False),
        sa.Column("text_version", sa.String(100), nullable=False),
        sa.Column("evidence", sa.String(200), nullable=False),
        _number("event_time_ms"),
    )
    _fact(
        "rating",
        100,
        sa.Column("level", sa.Integer, nullable=False),
        _number("assessed_time_ms"),
        _number("expire_time_ms"),
    )
    op.create_table(
        "contact_point",
        _project(),
        sa.Column("contact_point_id", sa.String(100), primary_key=True),
        _number("ident_no"),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("sealed_address", sa.LargeBinary, nullable=False),
        sa.Column("address_key", sa.String(32), nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        _number("event_time_ms"),
    )
    for name in (*_FACTS, "contact_point"):
        op.create_index(f"{name}_ident", name, ["project_id", "ident_no"])


def downgrade() -> None:
    for name in ("contact_point", *_FACTS, "profile", "person", "person_map"):
        op.drop_table(name)
