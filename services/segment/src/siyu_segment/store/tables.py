"""Tables of the segment service; ``project_id`` is the first column of every key."""

from sqlalchemy import BigInteger, Column, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel


def _big() -> Column[int]:
    return Column(BigInteger, nullable=False)


class SegmentRow(SQLModel, table=True):
    """A segment at its latest version."""

    __tablename__ = "segment"
    __table_args__ = (UniqueConstraint("project_id", "name", name="segment_name"),)

    project_id: str = Field(primary_key=True, max_length=100)
    segment_id: str = Field(primary_key=True, max_length=40)
    name: str = Field(max_length=100)
    description: str = Field(max_length=1000)
    version: int
    create_time_ms: int = Field(sa_column=_big())
    update_time_ms: int = Field(sa_column=_big())
    published_run_id: str = Field(max_length=40)
    size: int = Field(sa_column=_big())


class SegmentVersionRow(SQLModel, table=True):
    """One version of a definition; it never changes."""

    __tablename__ = "segment_version"

    project_id: str = Field(primary_key=True, max_length=100)
    segment_id: str = Field(primary_key=True, max_length=40)
    version: int = Field(primary_key=True)
    condition: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    zone: str = Field(max_length=64)


class SegmentRunRow(SQLModel, table=True):
    """One evaluation; ``members`` is a portable roaring bitmap, NULL unless it succeeded."""

    __tablename__ = "segment_run"

    project_id: str = Field(primary_key=True, max_length=100)
    run_id: str = Field(primary_key=True, max_length=40)
    segment_id: str = Field(max_length=40)
    version: int
    state: int
    start_time_ms: int = Field(sa_column=_big())
    end_time_ms: int = Field(sa_column=_big())
    definition_digest: str = Field(max_length=64)
    as_of_time_ms: int = Field(sa_column=_big())
    batch_no: int = Field(sa_column=_big())
    identity_sequence: int = Field(sa_column=_big())
    profile_sequence: int = Field(sa_column=_big())
    result_digest: str = Field(max_length=64)
    size: int = Field(sa_column=_big())
    entered: int = Field(sa_column=_big())
    left: int = Field(sa_column=Column("left_count", BigInteger, nullable=False))
    cause: int
    failure: str = Field(max_length=500)
    # W3C traceparent of the refresh, so that who uses the run finds how it came about.
    trace: str | None = Field(default=None, max_length=55)
    members: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
