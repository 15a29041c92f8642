"""The event log on the kit's stream: group commit, bounded waiting, the port's errors."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.trace import SpanKind

from siyu_collect.app.ports import Batch
from siyu_kit import semconv
from siyu_kit.errors import DependencyDown, QuotaExceeded, TooBusy
from siyu_kit.stream.appender import GroupAppender
from siyu_kit.stream.guard import BROKEN, StreamGuard
from siyu_kit.stream.ledger import ACCEPTED, REFUSED, DoorLedger, Tallies
from siyu_kit.stream.port import Durability, NewEntry, PlacedEntry, StreamStore
from siyu_kit.stream.topics import EVENTS
from siyu_kit.telemetry import child_span, inject

RETRY_AFTER_S: Final = 1.0
_SPAN: Final = f"publish {EVENTS.name}"


class StreamEventLog:
    """Appends to ``siyu.events.<partition>`` and counts in the ledger.

    ``durability`` is what the guarded server promises; ``guard`` None: nobody watches it.
    """

    def __init__(
        self,
        stream: StreamStore,
        partitions: int,
        *,
        guard: StreamGuard | None = None,
        append_timeout_s: float = 8.0,
    ) -> None:
        self.durability = (guard.wanted if guard else Durability.RELAXED).value
        self._stream = stream
        self._partitions = partitions
        self._timeout_s = append_timeout_s
        self._ledger = DoorLedger(stream, EVENTS.name, partitions, guard)
        self._appender = GroupAppender(stream, ledger=self._ledger)

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue of appends."""
        return self._appender.waiting_bytes

    async def append(
        self,
        project_id: str,
        batches: Sequence[Batch],
        refused: Mapping[str, int],
        trace: str | None,
    ) -> None:
        self._ledger.check()
        events = sum(batch.count for batch in batches)
        tallies = {(project_id, REFUSED + reason): count for reason, count in refused.items()}
        if events:
            tallies[project_id, ACCEPTED] = events
        with child_span(_SPAN, SpanKind.PRODUCER, semconv.publishing(EVENTS.name, events)):
            await self._append(project_id, batches, tallies, inject() or trace)

    async def _append(
        self, project_id: str, batches: Sequence[Batch], tallies: Tallies, trace: str | None
    ) -> None:
        entries = [
            PlacedEntry(
                EVENTS.name,
                batch.partition,
                NewEntry(batch.payload, batch.count, batch.kinds, trace, project_id),
            )
            for batch in batches
        ]
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._appender.append(entries, tallies)
        except QuotaExceeded as error:
            raise TooBusy(
                "OVERLOADED",
                "the event log cannot take more now",
                retry_after_s=error.retry_after_s or RETRY_AFTER_S,
                limit=error.reason.lower(),
            ) from error
        except (DependencyDown, TimeoutError) as error:
            if isinstance(error, DependencyDown) and error.reason == BROKEN:
                raise
            raise DependencyDown(
                "DEPENDENCY_DOWN", "the event log cannot be reached", dependency="stream"
            ) from error

    async def entries(self) -> int:
        return sum(await self.lengths())

    async def lengths(self) -> list[int]:
        """Entries of each partition."""
        return [
            await self._stream.length(EVENTS.name, partition)
            for partition in range(self._partitions)
        ]

    async def aclose(self) -> None:
        """Finish the appends under way and accept no more."""
        await self._appender.aclose()
