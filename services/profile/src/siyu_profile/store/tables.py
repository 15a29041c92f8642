"""Tables of the profile service; facts belong to identifiers, documents to persons."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary
from sqlmodel import Field, SQLModel


def _big(*, key: bool = False) -> Column[int]:
    return Column(BigInteger, primary_key=key, nullable=False, autoincrement=False)


def _blob() -> Column[bytes]:
    return Column(LargeBinary, nullable=False)


class PersonMapRow(SQLModel, table=True):
    """Which person an identifier belongs to, as the identity feed says."""

    __tablename__ = "person_map"
    __table_args__ = (Index("person_map_person", "project_id", "person_no"),)

    project_id: str = Field(primary_key=True, max_length=100)
    ident_no: int = Field(sa_column=_big(key=True))
    person_no: int = Field(sa_column=_big())


class PersonRow(SQLModel, table=True):
    """The id of a person's number; it is derived from the anchor and never changes."""

    __tablename__ = "person"
    __table_args__ = (Index("person_by_id", "project_id", "person_id"),)

    project_id: str = Field(primary_key=True, max_length=100)
    person_no: int = Field(sa_column=_big(key=True))
    person_id: str = Field(max_length=32)


class ProfileRow(SQLModel, table=True):
    """The folded profile of a person; ``version`` grows with each change of it."""

    __tablename__ = "profile"

    project_id: str = Field(primary_key=True, max_length=100)
    person_no: int = Field(sa_column=_big(key=True))
    version: int = Field(sa_column=_big())
    document: bytes = Field(sa_column=_blob())


class TraitOperationRow(SQLModel, table=True):
    """One operation on one trait."""

    __tablename__ = "trait_operation"
    __table_args__ = (Index("trait_operation_ident", "project_id", "ident_no"),)

    project_id: str = Field(primary_key=True, max_length=100)
    fact_id: str = Field(primary_key=True, max_length=210)
    digest: bytes = Field(sa_column=_blob())
    ident_no: int = Field(sa_column=_big())
    trait: str = Field(max_length=100)
    kind: int
    value: bytes = Field(sa_column=_blob())
    event_time_ms: int = Field(sa_column=_big())


class ConsentRow(SQLModel, table=True):
    """One statement of consent."""

    __tablename__ = "consent"
    __table_args__ = (Index("consent_ident", "project_id", "ident_no"),)

    project_id: str = Field(primary_key=True, max_length=100)
    fact_id: str = Field(primary_key=True, max_length=100)
    digest: bytes = Field(sa_column=_blob())
    ident_no: int = Field(sa_column=_big())
    channel: str = Field(max_length=20)
    purpose: str = Field(max_length=20)
    granted: bool
    text_version: str = Field(max_length=100)
    evidence: str = Field(max_length=200)
    event_time_ms: int = Field(sa_column=_big())


class RatingRow(SQLModel, table=True):
    """One risk assessment."""

    __tablename__ = "rating"
    __table_args__ = (Index("rating_ident", "project_id", "ident_no"),)

    project_id: str = Field(primary_key=True, max_length=100)
    fact_id: str = Field(primary_key=True, max_length=100)
    digest: bytes = Field(sa_column=_blob())
    ident_no: int = Field(sa_column=_big())
    level: int
    assessed_time_ms: int = Field(sa_column=_big())
    expire_time_ms: int = Field(sa_column=_big())


class ContactPointRow(SQLModel, table=True):
    """The latest statement of one contact point."""

    __tablename__ = "contact_point"
    __table_args__ = (Index("contact_point_ident", "project_id", "ident_no"),)

    project_id: str = Field(primary_key=True, max_length=100)
    contact_point_id: str = Field(primary_key=True, max_length=100)
    ident_no: int = Field(sa_column=_big())
    type: str = Field(max_length=20)
    sealed_address: bytes = Field(sa_column=_blob())
    address_key: str = Field(max_length=32)
    removed: bool
    event_time_ms: int = Field(sa_column=_big())
