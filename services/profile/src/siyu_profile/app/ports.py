"""What the use cases need from the outside."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from siyu_profile.domain.consents import Consent
from siyu_profile.domain.contacts import ContactPoint
from siyu_profile.domain.ratings import Rating
from siyu_profile.domain.traits import TraitOperation

Identifier = tuple[str, str]
"""Type and value."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """An identifier's number and the person that it belongs to."""

    ident_no: int
    person_no: int
    person_id: str


class Persons(Protocol):
    """Who is who: the identity service."""

    async def number(
        self, project_id: str, identifiers: Sequence[Identifier]
    ) -> Mapping[Identifier, Resolution]:
        """Numbers of identifiers, given to new ones; refused ones are left out."""
        ...

    async def find(self, project_id: str, identifier: Identifier) -> Resolution | None:
        """The person of an identifier; None when it is unknown."""
        ...

    async def find_by_id(self, project_id: str, person_id: str) -> int | None:
        """The number of the person that an id belongs to now; None when it is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A folded profile as it lies in the store; ``document`` is empty without facts."""

    person_no: int
    person_id: str
    version: int
    document: bytes


@dataclass(frozen=True, slots=True)
class Move:
    """One identifier that belongs to another person now; ``from_person_no`` 0: it is new."""

    ident_no: int
    from_person_no: int
    person_no: int
    person_id: str
    parted: bool = False
    """It left others behind: what they had withdrawn binds both sides."""
    commit_time_ms: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the facts of one call."""

    reused: frozenset[str]
    """Natural keys that were used before with other content; these facts are refused."""
    outbox_rows: Sequence[int]
    """Rows of the feed to come; see ``Feed.assigned``."""
    unnumbered: frozenset[Identifier] = frozenset()
    """Identifiers that get no number; the facts about them are refused."""


class ProfileUnit(Protocol):
    """One transaction. Facts are added first, then persons are folded once."""

    async def add_operations(self, project_id: str, facts: Sequence[TraitOperation]) -> set[str]:
        """Insert new facts; natural keys that were used with other content."""
        ...

    async def add_consents(self, project_id: str, facts: Sequence[Consent]) -> set[str]:
        """Insert new facts; natural keys that were used with other content."""
        ...

    async def add_ratings(self, project_id: str, facts: Sequence[Rating]) -> set[str]:
        """Insert new facts; natural keys that were used with other content."""
        ...

    async def put_contacts(self, project_id: str, facts: Sequence[ContactPoint]) -> None:
        """Keep the latest statement of each contact point."""
        ...

    async def move(self, project_id: str, moves: Sequence[Move]) -> set[int]:
        """Follow the identity feed; numbers of the persons whose facts came or went."""
        ...

    async def persons_of(self, project_id: str, resolved: Sequence[Resolution]) -> set[int]:
        """Present persons of identifiers: as the feed says, else as they were resolved."""
        ...

    async def refold(self, project_id: str, person_nos: set[int]) -> list[int]:
        """Fold these persons again and announce what changed; rows of the outbox."""
        ...


class ProfileStore(Protocol):
    """The service's own database."""

    def transaction(self) -> AbstractAsyncContextManager[ProfileUnit]:
        """A unit that commits when the block ends and rolls back when it raises."""
        ...

    async def read(self, project_id: str, person_nos: Sequence[int]) -> list[StoredProfile | None]:
        """Profiles in the order asked, of the persons that the numbers belong to now."""
        ...

    async def read_one(self, project_id: str, person_no: int) -> StoredProfile | None:
        """One profile; None for a number that nobody has."""
        ...

    async def members(
        self, project_id: str, person_nos: Sequence[int]
    ) -> Mapping[int, Sequence[int]]:
        """The identifiers of persons by their present numbers, ascending."""
        ...

    async def person_no(self, project_id: str, person_id: str) -> int | None:
        """The number of a person's id, if the feed has told it."""
        ...


class Feed(Protocol):
    """The profile feed."""

    async def assigned(self, outbox_rows: Sequence[int]) -> int:
        """The last sequence of these rows; 0 when it is not known soon."""
        ...


class Seal(Protocol):
    """Encryption of addresses."""

    def seal(self, project_id: str, contact_point_id: str, address: str) -> bytes:
        """The address encrypted, bound to its place."""
        ...

    def open(self, project_id: str, contact_point_id: str, sealed: bytes) -> str:
        """The address in clear; DataLoss when it was altered."""
        ...

    def key_of(self, project_id: str, kind: str, address: str) -> str:
        """Blind index: equal addresses of one type have equal keys, 32 hexadecimal characters."""
        ...
