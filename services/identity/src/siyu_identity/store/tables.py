"""Tables of the identity service; ``project_id`` is the first column of every key."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel


def _big() -> Column[int]:
    return Column(BigInteger, nullable=False)


def _bytes() -> Column[bytes]:
    return Column(LargeBinary, nullable=False)


class IdentRow(SQLModel, table=True):
    """A numbered identifier and where it belongs."""

    __tablename__ = "ident"
    __table_args__ = (
        UniqueConstraint("project_id", "lookup", name="ident_lookup"),
        UniqueConstraint("project_id", "person_key", name="ident_person_key"),
        # A person lies within one component, so this finds its members too.
        Index("ident_component", "project_id", "component"),
    )

    project_id: str = Field(primary_key=True, max_length=100)
    ident_no: int = Field(primary_key=True)
    type: str = Field(max_length=30)
    lookup: bytes = Field(sa_column=_bytes())
    """Blind index of type and value: 16 bytes under a key of the project."""
    person_key: bytes = Field(sa_column=_bytes())
    """The id of the person that is named after it: 16 bytes under a key that never changes."""
    value: bytes = Field(sa_column=_bytes())
    """Encrypted."""
    created_ms: int = Field(sa_column=_big())
    first_ms: int = Field(sa_column=_big())
    component: int
    person_no: int
    quarantined: bool


class EvidenceRow(SQLModel, table=True):
    """Everything said about two identifiers, joined."""

    __tablename__ = "evidence"
    __table_args__ = (
        Index("evidence_right", "project_id", "right_no"),
        {"sqlite_with_rowid": False},
    )

    project_id: str = Field(primary_key=True, max_length=100)
    left_no: int = Field(primary_key=True)
    right_no: int = Field(primary_key=True)
    strength: int
    first_ms: int = Field(sa_column=_big())
    linked_ms: int = Field(sa_column=_big())
    unlinked_ms: int = Field(sa_column=_big())


class ConflictRow(SQLModel, table=True):
    """Live evidence that does not link, and why."""

    __tablename__ = "conflict"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project_id: str = Field(primary_key=True, max_length=100)
    left_no: int = Field(primary_key=True)
    right_no: int = Field(primary_key=True)
    reason: str = Field(max_length=30)


class CounterRow(SQLModel, table=True):
    """What a project counts: the last ident number given, and its unlinks."""

    __tablename__ = "counter"

    project_id: str = Field(primary_key=True, max_length=100)
    name: str = Field(primary_key=True, max_length=20)
    value: int = Field(sa_column=_big())
