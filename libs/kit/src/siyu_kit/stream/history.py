"""Whether a stream still is the one that a reader has read.

A server that lost its last seconds, or everything, looks to a reader like a quiet one: nothing
comes after its position. Trimming keeps the entry at the slowest position, so a reader's own
last entry is always there, unless the stream was put back to an earlier state.
"""

from typing import Final

from siyu_kit.clock import Clock
from siyu_kit.errors import DataLoss
from siyu_kit.log import get_logger
from siyu_kit.stream.guard import StreamGuard
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import START, StreamStore, is_before, join_id, split_id
from siyu_kit.stream.reader_metrics import ReaderMetrics
from siyu_kit.stream.topics import Topic

_log = get_logger(__name__)

LOOK_EVERY_S: Final = 5.0


class History:
    """Looks when a partition is taken, when the server changed, and now and then."""

    def __init__(
        self,
        stream: StreamStore,
        topic: Topic,
        reader: str,
        metrics: ReaderMetrics,
        clock: Clock,
        guard: StreamGuard | None,
    ) -> None:
        self._stream = stream
        self._topic = topic
        self._reader = reader
        self._metrics = metrics
        self._clock = clock
        self._guard = guard
        self._looked: dict[int, tuple[int, int, float]] = {}
        self._told: dict[int, str] = {}

    async def look(self, owned: Owned) -> bool:
        """Whether the stream was put back. Raises ``DataLoss`` when it was trimmed too far."""
        now, changes = self._clock.monotonic(), self._guard.changes if self._guard else 0
        epoch, seen, at = self._looked.get(owned.partition, (-1, -1, 0.0))
        if (epoch, seen) == (owned.lease.epoch, changes) and now - at < LOOK_EVERY_S:
            return False
        put_back = await self._look(owned)
        self._looked[owned.partition] = (owned.lease.epoch, changes, now)
        return put_back

    async def _look(self, owned: Owned) -> bool:
        position = owned.position
        floor = await self._stream.floor(self._topic.name, owned.partition)
        if not self._topic.feed:
            self._check_floor(position, floor)
        if position == START or is_before(position, floor):
            return False
        if self._topic.feed:
            # Its relay puts the lost end back, from the outbox and under the same numbers.
            gone = is_before(await self._stream.tail(self._topic.name, owned.partition), position)
        else:
            gone = not await self._stream.holds(self._topic.name, owned.partition, position)
        if not gone or self._told.get(owned.partition) == position:
            return False
        self._metrics.put_back()
        _log.error(
            "stream_put_back",
            reader=self._reader,
            topic=self._topic.name,
            partition=owned.partition,
            position=position,
        )
        if not self._topic.feed:
            await self._stream.forward(self._topic.name, owned.partition, position)
        # Told when it is done: a server that went away in between is forwarded at the next look.
        self._told[owned.partition] = position
        return True

    def _check_floor(self, position: str, floor: str) -> None:
        """A position older than what is trimmed means lost events, unless the reader is new."""
        high, low = split_id(position)
        if not is_before(join_id(high, low + 1), floor):
            return
        if position == START:
            _log.warning("reader_starts_late", reader=self._reader, floor=floor)
            return
        raise DataLoss(
            "TRIMMED_BEYOND_POSITION",
            "entries after this reader's position are gone: was its database restored?",
            reader=self._reader,
            position=position,
            floor=floor,
        )
