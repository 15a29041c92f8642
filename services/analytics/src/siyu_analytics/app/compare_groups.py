"""Compares the conversion of two given sets of persons.

The sets do not travel to the engine: it gives the set of all persons who reached the goal, and sets
of millions are cut with it here in milliseconds.
"""

from typing import Final, NamedTuple

from pyroaring import BitMap

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.kept_bytes import KeptBytes
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.sets import from_bytes, from_numbers
from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.comparison import achievers_query
from siyu_analytics.domain.filters import EventFilter, check_event
from siyu_analytics.domain.intervals import Rate, newcombe, wilson
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_kit.crypto import sm3


class Outcome(NamedTuple):
    """One side."""

    digest: str
    persons: int
    converted: int
    rate: Rate


class ComparisonAnswer(NamedTuple):
    """The numbers."""

    scope: Scope
    treated: Outcome
    control: Outcome
    difference: Rate
    snapshot: Snapshot

    @property
    def significant(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        return self.difference.low > 0 or self.difference.high < 0


class ComparedCell(NamedTuple):
    """A counted set of persons in a comparison."""

    digest: str
    """Of the group that was given."""
    converted: bool


class GivenSets:
    """Groups that were compared lately, by digest, so that their cells can be opened."""

    MAX_BYTES: Final = 64_000_000

    def __init__(self) -> None:
        self._sets: KeptBytes[str, bytes] = KeptBytes(self.MAX_BYTES)

    def keep(self, data: bytes) -> str:
        """Remember a group; its digest."""
        digest = sm3(data).hex()
        self._sets.put(digest, data, len(data))
        return digest

    def find(self, digest: str) -> bytes | None:
        """A group, None once it is forgotten."""
        return self._sets.get(digest)


class CompareGroups:
    """The use case."""

    def __init__(self, asking: Asking, given: GivenSets) -> None:
        self._asking = asking
        self._given = given

    async def __call__(
        self, call: Call, treated: bytes, control: bytes, scope: Scope, goal: EventFilter
    ) -> ComparisonAnswer:
        scope = scope.filled(self._asking.clock.now_ms())
        check_scope(scope, "scope")
        check_event(goal, "goal")
        groups = [
            from_bytes(treated, "treated_bitmap"),
            from_bytes(control, "control_bitmap"),
        ]
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        query = achievers_query(Binder(basis), scope, goal)
        achievers = from_numbers((await self._asking.numbers(query, call))[0])
        sides = [
            _outcome(self._given.keep(data), group, achievers)
            for data, group in zip((treated, control), groups, strict=True)
        ]
        difference = newcombe(sides[0].rate, sides[1].rate)
        return ComparisonAnswer(scope, sides[0], sides[1], difference, snapshot)


def _outcome(digest: str, group: BitMap, achievers: BitMap) -> Outcome:
    converted = group.intersection_cardinality(achievers)
    return Outcome(digest, len(group), converted, wilson(converted, len(group)))
