"""Tables of the analytics service's own database, beside the kit's.

The events themselves lie in the engine. The sink's rows belong to partitions, not to projects, as
the kit's positions do.
"""

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel


def _big() -> Column[int]:
    return Column(BigInteger, nullable=False)


class SinkPlanRow(SQLModel, table=True):
    """The last plan of a partition; open until done."""

    __tablename__ = "sink_plan"

    partition_no: int = Field(primary_key=True)
    batch_no: int = Field(sa_column=_big())
    first_id: str = Field(max_length=50)
    last_id: str = Field(max_length=50)
    entries: int
    epoch: int = Field(sa_column=_big())
    done: bool


class SinkCounterRow(SQLModel, table=True):
    """One row: the last batch number given out."""

    __tablename__ = "sink_counter"

    counter: str = Field(primary_key=True, max_length=20)
    batch_no: int = Field(sa_column=_big())


class ProjectEventsRow(SQLModel, table=True):
    """What became of the events of a project that the sink has read."""

    __tablename__ = "project_events"

    project_id: str = Field(primary_key=True, max_length=100)
    stored: int = Field(sa_column=_big())
    duplicates: int = Field(sa_column=_big())
    passed: int = Field(sa_column=_big())
    dead_lettered: int = Field(sa_column=_big())


class LedgerRow(SQLModel, table=True):
    """The greatest value ever seen of a door's counter: the stream server may forget."""

    __tablename__ = "ledger"

    door: str = Field(primary_key=True, max_length=50)
    project_id: str = Field(primary_key=True, max_length=100)
    outcome: str = Field(primary_key=True, max_length=100)
    events: int = Field(sa_column=_big())


class SettledRow(SQLModel, table=True):
    """What a project had lost when its account was last settled, milliseconds UTC."""

    __tablename__ = "ledger_settled"

    project_id: str = Field(primary_key=True, max_length=100)
    lost: int = Field(sa_column=_big())
    settled_ms: int = Field(sa_column=_big())


class ProjectFeedRow(SQLModel, table=True):
    """The last change of a feed that concerned a project."""

    __tablename__ = "project_feed"

    project_id: str = Field(primary_key=True, max_length=100)
    feed: str = Field(primary_key=True, max_length=20)
    sequence: int = Field(sa_column=_big())


class EngineSecretRow(SQLModel, table=True):
    """The key under which the engine hashes identifiers: made once, never shown."""

    __tablename__ = "engine_secret"

    name: str = Field(primary_key=True, max_length=20)
    value: str = Field(max_length=64)
