"""Evidence that is known already, so that the usual event costs two look-ups in memory.

An entry says: evidence of this pair, no stronger, no earlier and no later than this, adds nothing.
It holds as long as nobody unlinks anything in the project, which the project's count of unlinks
tells, also when another process did it. The latest link that was seen holds in any case.
"""

from dataclasses import dataclass
from typing import Final

RawPair = tuple[str, str, str, str, str]
"""Project, and type and value of two identifiers, as they stand in the event."""

CAPACITY: Final = 200_000
"""Pairs remembered, about 400 bytes each."""

GRAIN_MS: Final = 7 * 24 * 3600 * 1000
"""A later link of a pair is written once in this time; see ``Edge.adds_to``. What is not written is
remembered here. An unbind that comes late, with a time before such a link, wins over it when the
memory is gone: after a restart, in another process, or behind ``CAPACITY`` other pairs."""


@dataclass(slots=True)
class Known:
    """What is committed about one pair that was never unlinked."""

    strength: int
    first_ms: int
    until_ms: int
    """Links up to here are within the time grain of one that is stored."""
    seen_ms: int
    """The latest link seen, stored or not: an unlink that comes late is compared with it."""
    epoch: int


class KnownEvidence:
    """A bounded memory in two generations."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[RawPair, Known] = {}
        self._old: dict[RawPair, Known] = {}
        self._epochs: dict[str, int] = {}

    def epoch(self, project_id: str) -> int:
        """The count of unlinks that what is remembered holds for."""
        return self._epochs.get(project_id, 0)

    def set_epoch(self, project_id: str, unlinks: int) -> None:
        """Forget a project's evidence when somebody has unlinked since."""
        self._epochs[project_id] = unlinks

    def get(self, pair: RawPair, epoch: int) -> Known | None:
        """What is known of a pair."""
        known = self._find(pair)
        return known if known is not None and known.epoch == epoch else None

    def latest_ms(self, pair: RawPair) -> int | None:
        """The latest link seen of a pair, whoever unlinked other pairs since."""
        known = self._find(pair)
        return None if known is None else known.seen_ms

    def learn(
        self, pair: RawPair, strength: int, first_ms: int, linked_ms: int, epoch: int
    ) -> None:
        """Remember evidence that is committed."""
        until_ms = (linked_ms // GRAIN_MS + 1) * GRAIN_MS - 1
        known = self._find(pair)
        if known is None or known.epoch != epoch:
            seen_ms = linked_ms if known is None else max(linked_ms, known.seen_ms)
            self._put(pair, Known(strength, first_ms, until_ms, seen_ms, epoch))
            return
        known.strength = min(known.strength, strength)
        known.first_ms = min(known.first_ms, first_ms)
        known.until_ms = max(known.until_ms, until_ms)
        known.seen_ms = max(known.seen_ms, linked_ms)

    def forget(self, pair: RawPair) -> None:
        """It was unlinked: from now on every link of it counts."""
        self._young.pop(pair, None)
        self._old.pop(pair, None)

    def _find(self, pair: RawPair) -> Known | None:
        known = self._young.get(pair)
        if known is None and (known := self._old.pop(pair, None)) is not None:
            self._put(pair, known)
        return known

    def _put(self, pair: RawPair, known: Known) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[pair] = known
