"""The graph port in memory, for properties of the weaving itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from siyu_identity.app.ports import Outcome
from siyu_identity.domain.changes import Change
from siyu_identity.domain.evidence import Edge, Identifier
from siyu_identity.domain.ident import Flag, Ident, alone
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy, Limit, Refusal
from siyu_identity.domain.presets import BROKER
from support.identity_model import Reference, plain_key


class MemoryGraph:
    """One project; every call is a transaction of its own."""

    def __init__(self, policy: IdTypePolicy = BROKER) -> None:
        self.laid_down = policy
        self.fences: set[Pair] = set()
        self.names: dict[Identifier, int] = {}
        self.idents: dict[int, Ident] = {}
        self.said: dict[Pair, Edge] = {}
        self.reserved: dict[str, AbstractSet[Identifier]] = {}
        self.conflicts: dict[Pair, Refusal] = {}
        self.feed: list[list[Change]] = []
        self.reviews = 0

    async def find(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        return {item: self.idents[self.names[item]] for item in identifiers if item in self.names}

    async def admit(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        wanted = set(identifiers)
        found = await self.find(wanted)
        for item in sorted(wanted - found.keys()):
            no = self.names[item] = len(self.names) + 1
            blocked = self.laid_down.is_blocked(*item)
            place = alone(no, quarantined=blocked)
            flags = Flag.BLOCKED if blocked else Flag.NONE
            found[item] = Ident(no, item.type, plain_key(item), place, new=True, flags=flags)
        return found

    async def reserve(self, named: Sequence[tuple[str, AbstractSet[Identifier]]]) -> set[int]:
        return {
            at
            for at, (name, identifiers) in enumerate(named)
            if self.reserved.setdefault(name, identifiers) != identifiers
        }

    async def edges(self, pairs: Iterable[Pair]) -> dict[Pair, Edge]:
        return {pair: self.said[pair] for pair in pairs if pair in self.said}

    async def hold(self, components: Iterable[int]) -> dict[int, Ident]:
        wanted = set(components)
        return {no: i for no, i in self.idents.items() if i.place.component in wanted}

    async def evidence_of(self, numbers: Iterable[int]) -> dict[Pair, Edge]:
        wanted = set(numbers)
        self.reviews += bool(wanted)
        return {pair: edge for pair, edge in self.said.items() if wanted & set(pair)}

    async def degrees(self, numbers: Iterable[int]) -> dict[int, int]:
        live = Counter(no for pair, edge in self.said.items() if edge.live for no in pair)
        return {no: live[no] for no in numbers if live[no]}

    async def policy(self) -> IdTypePolicy:
        return self.laid_down

    async def apart(self, numbers: Iterable[int]) -> set[Pair]:
        wanted = set(numbers)
        return {pair for pair in self.fences if wanted & set(pair)}

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
            pair: refusal
            for pair, refusal in self.conflicts.items()
            if self.said[pair].live
            and (pair[0] not in reviewed or refusal.reason is Limit.COMPONENT)
        } | outcome.conflicts
        if outcome.changes:
            self.feed.append(outcome.changes)
        return []

    async def last_number(self) -> int:
        return len(self.names)

    async def members(self, components: Iterable[int]) -> dict[int, Ident]:
        return await self.hold(components)

    async def named(self, numbers: Iterable[int]) -> dict[int, Identifier]:
        names = {no: name for name, no in self.names.items()}
        return {no: names[no] for no in numbers}

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
