"""Evidence as a set: what was said about two identifiers, joined by minima and maxima.

Joining is commutative, associative and idempotent, so the order in which evidence arrives, and
how often, makes no difference.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from siyu_kit.identifiers import RANKS, is_junk

NEVER: Final = -1
"""The time of a link or unlink that was never said."""

UNSEEN: Final = 2**62
"""First time of what has no link; a minimum with it leaves the other value."""

_NO_LINK: Final = 9


class Identifier(NamedTuple):
    """One identifier in its normal form."""

    type: str
    value: str


class Strength(IntEnum):
    """How much a link is worth; the smaller, the stronger (the numbers of the contract)."""

    STEWARD = 1
    CORE_SYSTEM = 2
    AUTHENTICATED = 3
    PLATFORM = 4
    OBSERVED = 5
    INFERRED = 6
    """Never links: it waits until somebody decides."""


class Edge(NamedTuple):
    """Everything said about one pair of identifiers."""

    strength: int
    """Strength of the strongest link."""
    first_ms: int
    """Event time of the earliest link."""
    linked_ms: int
    """Event time of the latest link."""
    unlinked_ms: int
    """Event time of the latest unlink."""

    @property
    def live(self) -> bool:
        """Whether the last word is a link; on a tie the unlink wins."""
        return is_live(self.linked_ms, self.unlinked_ms)

    def join(self, other: "Edge") -> "Edge":
        """Both together."""
        return Edge(
            min(self.strength, other.strength),
            min(self.first_ms, other.first_ms),
            max(self.linked_ms, other.linked_ms),
            max(self.unlinked_ms, other.unlinked_ms),
        )

    def adds_to(self, known: "Edge", grain_ms: int = 0) -> bool:
        """Whether joining this to ``known`` changes anything that matters.

        With ``grain_ms``, a later link of a pair that nobody ever unlinked matters only once in
        that time: its version is needed for nothing but an unlink that comes late.
        """
        if self.strength < known.strength or self.first_ms < known.first_ms:
            return True
        if self.unlinked_ms > known.unlinked_ms:
            return True
        if self.linked_ms <= known.linked_ms:
            return False
        coarse = grain_ms > 0 and known.unlinked_ms == NEVER and known.linked_ms != NEVER
        return not coarse or self.linked_ms // grain_ms > known.linked_ms // grain_ms


def is_live(linked_ms: int, unlinked_ms: int) -> bool:
    """Whether the last word is a link; on a tie the unlink wins."""
    return linked_ms > unlinked_ms


NOTHING: Final = Edge(_NO_LINK, UNSEEN, NEVER, NEVER)
"""Nothing said: the neutral element of the join."""


def link(strength: int, time_ms: int) -> Edge:
    """The statement that two identifiers belonged together at a time."""
    return Edge(strength, time_ms, time_ms, NEVER)


def unlink(time_ms: int) -> Edge:
    """The statement that two identifiers do not belong together from a time on."""
    return Edge(_NO_LINK, UNSEEN, NEVER, time_ms)


def star(identifiers: Iterable[Identifier]) -> list[tuple[Identifier, Identifier]]:
    """The pairs of evidence over several identifiers: the best-ranked one with each other.

    Placeholders shared by many people tie nobody together and are left out. Which one is best
    depends on the identifiers alone: not on their order, and not on the project's policy, which
    may be another one tomorrow while the evidence stays.
    """
    usable = {item for item in identifiers if not is_junk(item.type, item.value)}
    if len(usable) < 2:
        return []
    best, *others = sorted(usable, key=_by_rank)
    return [(best, other) for other in others]


def _by_rank(identifier: Identifier) -> tuple[int, Identifier]:
    return RANKS[identifier.type], identifier
