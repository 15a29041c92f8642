"""The event log on the kit's stream: group commit, bounded waiting, the port's errors."""

import asyncio
from collections.abc import Sequence
from typing import Final

from siyu_collect.app.ports import Batch
from siyu_kit.errors import DependencyDown, QuotaExceeded, TooBusy
from siyu_kit.log import get_logger
from siyu_kit.stream.appender import GroupAppender
from siyu_kit.stream.port import Durability, NewEntry, PlacedEntry, StreamStore
from siyu_kit.stream.topics import EVENTS

logger = get_logger(__name__)

RETRY_AFTER_S: Final = 1.0


class StreamEventLog:
    """Appends to ``siyu.events.<partition>``."""

    def __init__(
        self, stream: StreamStore, partitions: int, *, append_timeout_s: float = 8.0
    ) -> None:
        self._stream = stream
        self._partitions = partitions
        self._timeout_s = append_timeout_s
        self._appender = GroupAppender(stream)

    async def append(self, batches: Sequence[Batch], trace: str | None) -> None:
        entries = [
            PlacedEntry(
                EVENTS.name,
                batch.partition,
                NewEntry(batch.payload, batch.count, batch.kinds, trace),
            )
            for batch in batches
        ]
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._appender.append(entries)
        except QuotaExceeded as error:
            raise TooBusy(
                "OVERLOADED",
                "the event log cannot take more now",
                retry_after_s=error.retry_after_s or RETRY_AFTER_S,
                limit=error.reason.lower(),
            ) from error
        except (DependencyDown, TimeoutError) as error:
            raise DependencyDown(
                "DEPENDENCY_DOWN", "the event log cannot be reached", dependency="stream"
            ) from error

    async def entries(self) -> int:
        lengths = [
            await self._stream.length(EVENTS.name, partition)
            for partition in range(self._partitions)
        ]
        return sum(lengths)

    async def check_promise(self) -> None:
        """Say in the log what an OK of this door is worth; weaker than durable is a warning."""
        promise = await self._stream.promise()
        tell = logger.info if promise.durability is Durability.DURABLE else logger.warning
        tell(
            "stream_promise",
            durability=promise.durability.value,
            reasons=promise.reasons,
            replicas=promise.replicas,
        )

    async def aclose(self) -> None:
        """Finish the appends under way and accept no more."""
        await self._appender.aclose()
