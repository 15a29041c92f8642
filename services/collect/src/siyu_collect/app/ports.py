"""What the use cases need of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one partition, ready to append."""

    partition: int
    payload: bytes
    count: int
    kinds: int


class EventLog(Protocol):
    """The durable, partitioned log that the accepted events go to."""

    @property
    def durability(self) -> str:
        """What an append is worth: ``durable``, ``replicated`` or ``relaxed``."""
        ...

    async def append(
        self,
        project_id: str,
        batches: Sequence[Batch],
        refused: Mapping[str, int],
        trace: str | None,
    ) -> None:
        """Return when all batches are as durable as the log promises, and all is counted.

        ``refused`` counts the project's records that were refused, by reason. Raises TooBusy when
        a bounded queue is full, and DependencyDown when the log cannot be reached in time or does
        not promise what is configured; then some batches may have been appended, and sending
        again is safe.
        """
        ...

    async def entries(self) -> int:
        """Entries the log holds now, over all partitions."""
        ...


class Charge(Protocol):
    """Takes a batch's events from its project's rate."""

    def __call__(self, project_id: str, events: int) -> None:
        """Raises TooBusy (RATE_LIMITED) with the time to wait; nothing is taken then."""
        ...


class Tally(Protocol):
    """Counts what came in; nothing is refused without being counted."""

    def accepted(self, source: str, count: int) -> None:
        """``count`` events of this source are durable."""
        ...

    def refused(self, source: str, reason: str, count: int = 1) -> None:
        """``count`` records of this source were refused for this reason."""
        ...
