"""What the use cases need of the world."""

from collections.abc import Sequence
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

    async def append(self, batches: Sequence[Batch], trace: str | None) -> None:
        """Return when all batches are as durable as the log promises.

        Raises TooBusy when a bounded queue is full, and DependencyDown when the log cannot be
        reached in time; then some batches may have been appended, and sending again is safe.
        """
        ...

    async def entries(self) -> int:
        """Entries the log holds now, over all partitions."""
        ...


class Tally(Protocol):
    """Counts what came in; nothing is refused without being counted."""

    def accepted(self, source: str, count: int) -> None:
        """``count`` events of this source are durable."""
        ...

    def refused(self, source: str, reason: str, count: int = 1) -> None:
        """``count`` records of this source were refused for this reason."""
        ...
