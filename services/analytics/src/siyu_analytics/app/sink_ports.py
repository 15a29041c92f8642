"""What the sink asks of the world."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import Entry


@dataclass(frozen=True, slots=True)
class Subject:
    """The identifier that an event is stored under."""

    project_id: str
    type: str
    value: str
    key: bytes
    """Keyed hash of the three, 16 bytes, by which the engine knows it."""


@dataclass(frozen=True, slots=True)
class StoredCount:
    """What became of a project's events in one batch; together, all that its entries held."""

    stored: int = 0
    duplicates: int = 0
    passed: int = 0
    """Not for the event store: profile operations and links."""
    dead_lettered: int = 0

    def __add__(self, other: "StoredCount") -> "StoredCount":
        return StoredCount(
            self.stored + other.stored,
            self.duplicates + other.duplicates,
            self.passed + other.passed,
            self.dead_lettered + other.dead_lettered,
        )


class EventBatches(Protocol):
    """One batch's way into the event store, one batch at a time."""

    async def stage(self, payloads: Sequence[bytes]) -> None:
        """Begin a batch with these EventBatches; raises ``InvalidInput`` if one is unreadable."""
        ...

    async def unsound(self) -> int:
        """How many staged events the store cannot hold (``event_rules.flaw``)."""
        ...

    async def unknown(self) -> list[Subject]:
        """Subjects of the batch without a number, project by project."""
        ...

    async def learn(self, numbers: Sequence[tuple[Subject, int]]) -> None:
        """Keep the numbers of subjects that were unknown."""
        ...

    async def store(self, batch_no: int, token: str, *, replay: bool) -> dict[str, StoredCount]:
        """Store what has a number and is no duplicate, durably; the counts by project.

        Again with the same entries, batch and token it changes nothing and answers the same;
        ``replay`` makes sure of it by asking for the rows.
        """
        ...

    async def rows(self, batch_no: int) -> dict[str, int]:
        """How many rows of the batch are stored, by project."""
        ...


class Numbers(Protocol):
    """The identity service's numbers of identifiers."""

    async def assign(
        self, project_id: str, subjects: Sequence[Subject]
    ) -> list[tuple[Subject, int]]:
        """The numbers, new ones where there was none; those it refuses are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What one batch consists of, committed before anything is inserted."""

    partition: int
    batch_no: int
    first_id: str
    last_id: str
    entries: int

    @property
    def token(self) -> str:
        """By which the engine knows an insert again."""
        return f"{self.partition}:{self.batch_no}"


@dataclass(frozen=True, slots=True)
class Letter:
    """An entry, or one event of it, that cannot be stored."""

    entry: Entry
    reason: str
    message: str
    project_id: str = ""
    payload: bytes | None = None
    """An EventBatch of the one event; None: the whole entry."""


class Plans(Protocol):
    """The plans, positions and counts in the service's own database."""

    async def make(self, owned: Owned, entries: Sequence[Entry]) -> Plan:
        """Commit the plan of a batch of these entries; raises ``LeaseLost``."""
        ...

    async def open_plan(self, partition: int) -> Plan | None:
        """The plan that was made and not marked done."""
        ...

    async def done(
        self,
        owned: Owned,
        plan: Plan,
        counts: Mapping[str, StoredCount],
        letters: Sequence[Letter],
    ) -> None:
        """Mark it done, count, and move the position, all at once; raises ``LeaseLost``."""
        ...

    async def skip(self, owned: Owned, last_id: str, counts: Mapping[str, StoredCount]) -> None:
        """Move the position over entries that hold nothing to store; raises ``LeaseLost``."""
        ...


class EventTexts(Protocol):
    """Reads entries event by event; for the few batches where something is wrong."""

    def unsound(self, entry: Entry) -> list[Letter]:
        """The events that the store cannot hold."""
        ...

    def of_subjects(self, entry: Entry, refused: AbstractSet[tuple[str, str, str]]) -> list[Letter]:
        """The events whose subject (project, type, value) has been refused a number."""
        ...
