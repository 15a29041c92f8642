"""The graph port in memory, for properties of the weaving itself."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from siyu_identity.app.ports import Outcome
from siyu_identity.domain.changes import Change
from siyu_identity.domain.evidence import Edge, Identifier
from siyu_identity.domain.ident import Ident, alone
from siyu_identity.domain.resolver import TYPE_LIMIT, Pair
from support.identity_model import Reference, plain_key


class MemoryGraph:
    """One project; every call is a transaction of its own."""

    def __init__(self) -> None:
        self.names: dict[Identifier, int] = {}
        self.idents: dict[int, Ident] = {}
        self.said: dict[Pair, Edge] = {}
        self.conflicts: dict[Pair, str] = {}
        self.feed: list[list[Change]] = []
        self.reviews = 0

    async def find(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        return {item: self.idents[self.names[item]] for item in identifiers if item in self.names}

    async def admit(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        wanted = set(identifiers)
        found = await self.find(wanted)
        for item in sorted(wanted - found.keys()):
            no = self.names[item] = len(self.names) + 1
            found[item] = Ident(no, item.type, plain_key(item), alone(no), new=True)
        return found

    async def edges(self, pairs: Iterable[Pair]) -> dict[Pair, Edge]:
        return {pair: self.said[pair] for pair in pairs if pair in self.said}

    async def hold(self, components: Iterable[int]) -> dict[int, Ident]:
        wanted = set(components)
        return {no: i for no, i in self.idents.items() if i.place.component in wanted}

    async def evidence_of(self, numbers: Iterable[int]) -> dict[Pair, Edge]:
        wanted = set(numbers)
        self.reviews += bool(wanted)
        return {pair: edge for pair, edge in self.said.items() if wanted & set(pair)}

    async def numbered(self, numbers: Iterable[int]) -> dict[int, Ident]:
        return {no: self.idents[no] for no in numbers}

    async def save(self, outcome: Outcome) -> list[int]:
        for ident in outcome.created:
            self.idents[ident.no] = replace(ident, new=False)
        for no, place in outcome.moved.items():
            self.idents[no] = replace(self.idents[no], place=place)
        self.said |= outcome.edges
        reviewed = set(outcome.reviewed)
        self.conflicts = {
            pair: reason
            for pair, reason in self.conflicts.items()
            if pair[0] not in reviewed or reason != TYPE_LIMIT
        } | outcome.conflicts
        if outcome.changes:
            self.feed.append(outcome.changes)
        return []

    async def earlier(self, _request_id: str, _content: bytes) -> list[int] | None:
        return None

    async def remember(self, request_id: str, content: bytes, rows: Sequence[int]) -> None:
        """Nothing asks for it here."""

    def state(self) -> Reference:
        """What it has come to, in identifiers instead of numbers."""
        names = {no: name for name, no in self.names.items()}
        return Reference(
            {names[no]: names[ident.place.person_no] for no, ident in self.idents.items()},
            frozenset(names[no] for no, i in self.idents.items() if i.place.quarantined),
            frozenset(frozenset(names[no] for no in pair) for pair in self.conflicts),
        )

    def folded(self) -> dict[int, int]:
        """The map that the feed's readers have."""
        seen: dict[int, int] = {}
        for changes in self.feed:
            for change in changes:
                assert seen.get(change.ident_no, 0) == change.from_person_no
                seen[change.ident_no] = change.person_no
        return seen
