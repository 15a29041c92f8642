"""Tables of the identity service; ``project_id`` is the first column of every key."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text, UniqueConstraint, text
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
        Index(
            "ident_quarantined",
            "project_id",
            "ident_no",
            sqlite_where=text("quarantined"),
            postgresql_where=text("quarantined"),
        ),
    )

    project_id: str = Field(primary_key=True, max_length=100)
    ident_no: int = Field(primary_key=True)
    type: str = Field(max_length=30)
    lookup: bytes = Field(sa_column=_bytes())
    """Blind index of type and value: 16 bytes under a key of the project."""
    person_key: bytes = Field(sa_column=_bytes())
    """The id of the person that is named after it: 16 bytes under a key that never changes."""
    value: bytes = Field(sa_column=_bytes())
    """Encrypted; empty for a type of which only the blind index is kept, and after an erasure."""
    created_ms: int = Field(sa_column=_big())
    first_ms: int = Field(sa_column=_big())
    component: int
    person_no: int
    quarantined: bool
    flags: int = 0
    """What is laid down about it (``siyu_identity.domain.ident.Flag``)."""


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


class EvidenceIdRow(SQLModel, table=True):
    """What an evidence id stands for."""

    __tablename__ = "evidence_id"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project_id: str = Field(primary_key=True, max_length=100)
    lookup: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    """Blind index of the id: 16 bytes under a key of the project."""
    said: bytes = Field(sa_column=_bytes())
    """Digest over the blind indexes of the identifiers it was first used for."""


class ConflictRow(SQLModel, table=True):
    """Live evidence that does not link, and why."""

    __tablename__ = "conflict"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project_id: str = Field(primary_key=True, max_length=100)
    left_no: int = Field(primary_key=True)
    right_no: int = Field(primary_key=True)
    reason: str = Field(max_length=30)
    detail: str = Field(max_length=30, default="")
    """The type of identifier that would be too many."""


class ApartRow(SQLModel, table=True):
    """Two identifiers that no person may hold both of."""

    __tablename__ = "apart"
    __table_args__ = (
        Index("apart_right", "project_id", "right_no"),
        {"sqlite_with_rowid": False},
    )

    project_id: str = Field(primary_key=True, max_length=100)
    left_no: int = Field(primary_key=True)
    right_no: int = Field(primary_key=True)
    created_ms: int = Field(sa_column=_big())


class PolicyRow(SQLModel, table=True):
    """One version of a project's policy; version 1 of every project is the platform's own."""

    __tablename__ = "policy"

    project_id: str = Field(primary_key=True, max_length=100)
    version: int = Field(primary_key=True)
    body: str = Field(sa_column=Column(Text, nullable=False))
    """JSON."""
    created_ms: int = Field(sa_column=_big())


class CounterRow(SQLModel, table=True):
    """What a project counts: the last ident number given, its unlinks, its policy's version."""

    __tablename__ = "counter"

    project_id: str = Field(primary_key=True, max_length=100)
    name: str = Field(primary_key=True, max_length=20)
    value: int = Field(sa_column=_big())


class ProposalRow(SQLModel, table=True):
    """What one steward asks for and another one decides; it speaks of identifiers by number."""

    __tablename__ = "proposal"

    project_id: str = Field(primary_key=True, max_length=100)
    proposal_id: str = Field(primary_key=True, max_length=32)
    kind: int
    state: int
    body: str = Field(sa_column=Column(Text, nullable=False))
    """The operation as JSON."""
    reason: str = Field(sa_column=Column(Text, nullable=False))
    proposed_by: str = Field(max_length=200)
    proposed_ms: int = Field(sa_column=_big())
    decided_by: str = Field(max_length=200)
    decided_ms: int = Field(sa_column=_big())
    last_row: int = Field(sa_column=_big())
    """Outbox row of the last change that followed."""
    policy_version: int
    run_id: str = Field(max_length=32)


class ReviewRow(SQLModel, table=True):
    """An inferred link."""

    __tablename__ = "review"
    __table_args__ = (
        Index("review_right", "project_id", "right_no"),
        Index("review_state", "project_id", "state", "left_no", "right_no"),
    )

    project_id: str = Field(primary_key=True, max_length=100)
    left_no: int = Field(primary_key=True)
    right_no: int = Field(primary_key=True)
    state: int
    source: str = Field(max_length=100)
    submitted_by: str = Field(max_length=200)
    submitted_ms: int = Field(sa_column=_big())
    decided_by: str = Field(max_length=200)
    decided_ms: int = Field(sa_column=_big())


class RunRow(SQLModel, table=True):
    """Work over a whole project, and how far it is."""

    __tablename__ = "run"
    __table_args__ = (Index("run_state", "state", "run_id"),)

    project_id: str = Field(primary_key=True, max_length=100)
    run_id: str = Field(primary_key=True, max_length=32)
    kind: int
    state: int
    body: str = Field(sa_column=Column(Text, nullable=False))
    """Everything else as JSON."""


class PlacementRow(SQLModel, table=True):
    """Whose an identifier was from a sequence of the feed on."""

    __tablename__ = "placement"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project_id: str = Field(primary_key=True, max_length=100)
    ident_no: int = Field(primary_key=True)
    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True))
    person_no: int


class SealedRow(SQLModel, table=True):
    """A sequence of the feed that the placements hold, and when it was committed."""

    __tablename__ = "sealed"
    __table_args__ = (
        Index("sealed_time", "project_id", "commit_ms"),
        {"sqlite_with_rowid": False},
    )

    project_id: str = Field(primary_key=True, max_length=100)
    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True))
    commit_ms: int = Field(sa_column=_big())
