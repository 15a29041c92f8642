"""What the use cases need from the world."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from siyu_identity.domain.changes import Change
from siyu_identity.domain.evidence import Edge, Identifier
from siyu_identity.domain.ident import Ident, Place
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy, Refusal

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
    conflicts: dict[Pair, Refusal] = field(default_factory=dict)
    reviewed: Sequence[int] = ()
    """Identifiers whose conflicts are now those in ``conflicts`` and no others."""
    changes: list[Change] = field(default_factory=list)
    by_hand: bool = False
    """Stewards decided it, not events."""
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

    async def reserve(self, named: Sequence[tuple[str, AbstractSet[Identifier]]]) -> set[int]:
        """Have evidence ids stand for their identifiers, each for those it was first used for.

        Gives the positions of those that stand for others.
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

    async def degrees(self, numbers: Iterable[int]) -> dict[int, int]:
        """How many live links each of these identifiers has; those without any are left out."""
        ...

    async def policy(self) -> IdTypePolicy:
        """The policy that holds; it cannot change for what is locked when this is asked."""
        ...

    async def apart(self, numbers: Iterable[int]) -> set[Pair]:
        """The pairs that must not be on one person, of those that touch these identifiers."""
        ...

    async def numbered(self, numbers: Iterable[int]) -> dict[int, Ident]:
        """Identifiers by number."""
        ...

    async def save(self, outcome: Outcome) -> list[int]:
        """Write it, changes for the feed included; the outbox rows that carry them."""
        ...

    async def last_number(self) -> int:
        """The last number given; identifiers admitted later are judged by the present policy."""
        ...

    async def members(self, components: Iterable[int]) -> dict[int, Ident]:
        """All members of components, by number; nothing is locked."""
        ...

    async def named(self, numbers: Iterable[int]) -> dict[int, Identifier]:
        """The identifiers behind numbers; the value is empty where none is kept."""
        ...


T_co = TypeVar("T_co", covariant=True)


class Transactions(Protocol[T_co]):
    """Opens transactions."""

    def transaction(self, project_id: str) -> AbstractAsyncContextManager[T_co]:
        """Commits when the block ends, rolls back when it raises."""
        ...


class Graphs(Transactions[Graph], Protocol):
    """Opens graphs."""

    def snapshot(self, project_id: str) -> AbstractAsyncContextManager[Graph]:
        """A graph to read from, as it stood at one moment."""
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
