"""What the use cases need from the world."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from siyu_identity.domain.changes import Change
from siyu_identity.domain.evidence import Edge, Identifier
from siyu_identity.domain.ident import Ident, Place
from siyu_identity.domain.resolver import Pair

Names = tuple[Identifier, Identifier]
"""A pair of identifiers."""

Statements = Mapping[Names, Edge]
"""What is said about pairs of identifiers."""


@dataclass(slots=True)
class Outcome:
    """What a piece of weaving writes, all at once."""

    created: list[Ident] = field(default_factory=list)
    """New identifiers at their final places."""
    moved: dict[int, Place] = field(default_factory=dict)
    edges: dict[Pair, Edge] = field(default_factory=dict)
    conflicts: dict[Pair, str] = field(default_factory=dict)
    reviewed: Sequence[int] = ()
    """Identifiers whose conflicts are now those in ``conflicts`` and no others."""
    changes: list[Change] = field(default_factory=list)
    unlinked: bool = False
    """Whether an unlink is among the edges: every process has to hear of it."""


class Graph(Protocol):
    """The evidence and persons of one project, inside one transaction."""

    async def find(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        """Those that are known."""
        ...

    async def admit(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        """All of them; those still unknown get the next numbers (stored by ``save``).

        From here to the commit no other transaction numbers identifiers of the project.
        """
        ...

    async def edges(self, pairs: Iterable[Pair]) -> dict[Pair, Edge]:
        """What is known about these pairs."""
        ...

    async def hold(self, components: Iterable[int]) -> dict[int, Ident]:
        """Lock the components until the commit; all their members by number.

        Raises Conflict where waiting for a lock could be waiting for ever: start over.
        """
        ...

    async def evidence_of(self, numbers: Iterable[int]) -> dict[Pair, Edge]:
        """All evidence that touches these identifiers."""
        ...

    async def numbered(self, numbers: Iterable[int]) -> dict[int, Ident]:
        """Identifiers by number."""
        ...

    async def save(self, outcome: Outcome) -> list[int]:
        """Write it, changes for the feed included; the outbox rows that carry them."""
        ...

    async def earlier(self, request_id: str, content: bytes) -> list[int] | None:
        """The outbox rows of an earlier unlink with this request id; None for a new one.

        Raises AlreadyExists when the id was used with other content, InvalidInput for a bad one.
        """
        ...

    async def remember(self, request_id: str, content: bytes, rows: Sequence[int]) -> None:
        """Keep what an unlink led to."""
        ...


class Graphs(Protocol):
    """Opens transactions."""

    def transaction(self, project_id: str) -> AbstractAsyncContextManager[Graph]:
        """Commits when the block ends, rolls back when it raises."""
        ...


class Standing(NamedTuple):
    """Where an identifier stands now."""

    ident_no: int
    person_no: int
    person_key: bytes


class Member(NamedTuple):
    """One identifier of a person."""

    identifier: Identifier
    ident: Ident
    seen_ms: int
    """Event time at which it was first seen, or else the time at which it was numbered."""


class Directory(Protocol):
    """Answers who is who, from what is committed."""

    async def standings(
        self, project_id: str, identifiers: Sequence[Identifier]
    ) -> list[Standing | None]:
        """Each identifier's standing, in the order asked; None for one that is unknown."""
        ...

    async def person_of_key(self, project_id: str, key: bytes) -> int | None:
        """The number of the person that the identifier behind a person's id belongs to now."""
        ...

    async def person_of_number(self, project_id: str, number: int) -> int | None:
        """The number of the person that this identifier belongs to now."""
        ...

    async def members(self, project_id: str, person_no: int) -> list[Member]:
        """The identifiers of a person, in no promised order."""
        ...


class FeedPage(NamedTuple):
    """Rows of the feed."""

    rows: Sequence[tuple[int, bytes]]
    """Sequence and serialized changes, of the project asked for."""
    seen: int
    """Everything up to here has been looked at."""
    more: bool


class ChangeFeed(Protocol):
    """The numbered changes."""

    async def page(self, project_id: str, after: int, limit: int) -> FeedPage:
        """Rows after a sequence; raises PreconditionFailed when rows after it are gone."""
        ...

    async def sequence_of(self, rows: Sequence[int]) -> int:
        """The highest number of committed rows; 0 when it is not known within a second."""
        ...

    def arrivals(self) -> AsyncIterator[None]:
        """Yields whenever it is worth looking again, at least four times a second."""
        ...
