"""What the feeds' readers and the watermark ask of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from siyu_analytics.app.ports import PersonMap


@dataclass(frozen=True, slots=True)
class TimeValue:
    """A point in time as a trait's value, milliseconds UTC."""

    ms: int


TraitValue = str | float | bool | TimeValue | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """An identifier belongs to another person from a sequence on."""

    sequence: int
    project_id: str
    ident_no: int
    from_person_no: int
    """0: the identifier is new."""
    person_no: int
    person_id: str


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """A trait of a person has another value from a sequence on; ``value`` None: none."""

    sequence: int
    project_id: str
    person_no: int
    trait: str
    value: TraitValue | None
    valid_from_ms: int


class Projections(Protocol):
    """The engine's tables that the feeds fill."""

    async def add_identity(self, changes: Sequence[IdentityChange]) -> None:
        """Durable on return; again with the same changes it changes no answer."""
        ...

    async def add_profile(self, changes: Sequence[ProfileChange]) -> None:
        """Durable on return; again with the same changes it changes no answer."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the database says that everything is, for one project."""

    batch_no: int
    identity_sequence: int
    profile_sequence: int
    identity_moved: int
    """Sequence at which an identifier of the project last changed its person; 0: never."""


@dataclass(frozen=True, slots=True)
class ProjectCounts:
    """What has been stored for a project."""

    events: int
    duplicates: int


class FeedMarks(Protocol):
    """Notes which projects a feed moved, in the transaction that moves its position."""

    async def moved(self, unit: object, last_by_project: Mapping[str, int]) -> None:
        """``unit`` is what the feed's reader passed in: the session of its transaction."""
        ...


class ProgressStore(Protocol):
    """Reads positions and counts from the service's own database."""

    async def progress(self, project_id: str) -> Progress: ...

    async def counts(self, project_id: str) -> ProjectCounts: ...


class MutablePersonMap(PersonMap, Protocol):
    """The person map as the watermark drives it."""

    async def refresh(self, project_id: str, progress: Progress, *, needed: int) -> int:
        """Make the map hold at least the identity sequence ``needed``; what it holds then.

        It reloads at once when it must, and by itself once a second when something moved.
        """
        ...

    async def persons(self, project_id: str) -> int:
        """The size of the population."""
        ...
