"""The in-memory twin of the Redis stream: the same contract, for fast tests."""

import asyncio
import bisect
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from siyu_kit.clock import Clock, SystemClock
from siyu_kit.errors import DataLoss
from siyu_kit.stream.port import (
    START,
    Appended,
    Cut,
    Durability,
    Entry,
    NewEntry,
    PlacedEntry,
    Promise,
    join_id,
    split_id,
)
from siyu_kit.stream.sizing import within_budget
from siyu_kit.stream.trimming import check_declared, trim_floor

_Id = tuple[int, int]


@dataclass(slots=True)
class _Stream:
    ids: list[_Id] = field(default_factory=list)
    entries: list[NewEntry] = field(default_factory=list)
    last: _Id = (0, 0)
    floor: _Id = (0, 0)
    reported: dict[str, str] = field(default_factory=dict)

    def between(self, first: _Id, last: _Id, count: int) -> list[Entry]:
        start = bisect.bisect_left(self.ids, first)
        stop = min(bisect.bisect_right(self.ids, last), start + count)
        return [_entry(self.ids[i], self.entries[i]) for i in range(start, stop)]


class MemoryStreamStore:
    """Streams of one process; nothing survives it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._streams: defaultdict[tuple[str, int], _Stream] = defaultdict(_Stream)
        self._appended = asyncio.Condition()
        self._counters: Counter[str] = Counter()

    async def promise(self) -> Promise:
        return Promise(Durability.VOLATILE, ("in-memory twin",))

    async def append(self, topic: str, partition: int, entries: Sequence[NewEntry]) -> list[str]:
        return await self.append_many([PlacedEntry(topic, partition, entry) for entry in entries])

    async def append_many(self, entries: Sequence[PlacedEntry]) -> list[str]:
        ids = []
        for placed in entries:
            stream = self._streams[placed.topic, placed.partition]
            now = self._clock.now_ms()
            # Like the server: ids grow even when the clock goes back.
            new_id = (now, 0) if now > stream.last[0] else (stream.last[0], stream.last[1] + 1)
            self._put(stream, new_id, placed.entry)
            ids.append(join_id(*new_id))
        await self._wake()
        return ids

    async def append_counted(
        self, entries: Sequence[PlacedEntry], counts: Mapping[str, int]
    ) -> Appended:
        ids = await self.append_many(entries)
        self._counters.update(counts)
        return Appended(ids, {name: self._counters[name] for name in counts})

    async def cut(self, topic: str, partitions: int) -> Cut:
        tails = {partition: await self.tail(topic, partition) for partition in range(partitions)}
        return Cut(dict(self._counters), tails)

    async def append_at(self, topic: str, partition: int, sequence: int, entry: NewEntry) -> bool:
        return await self.append_run(topic, partition, sequence, [entry]) == 1

    async def append_run(
        self, topic: str, partition: int, first: int, entries: Sequence[NewEntry]
    ) -> int:
        stream, added = self._streams[topic, partition], 0
        for sequence, entry in enumerate(entries, first):
            if (sequence, 0) > stream.last:
                self._put(stream, (sequence, 0), entry)
                added += 1
                continue
            for standing in stream.between((sequence, 0), (sequence, 0), 1):
                if standing.payload != entry.payload:
                    raise DataLoss("STREAM_DIVERGED", "another payload stands under this sequence")
        await self._wake()
        return added

    async def read(
        self,
        positions: Mapping[int, str],
        topic: str,
        *,
        count: int = 100,
        max_bytes: int = 8_000_000,
        block_ms: int = 0,
    ) -> dict[int, list[Entry]]:
        found = self._read(positions, topic, count, max_bytes)
        if found or block_ms <= 0:
            return found
        try:
            async with asyncio.timeout(block_ms / 1000), self._appended:
                await self._appended.wait_for(
                    lambda: self._read(positions, topic, count, max_bytes)
                )
        except TimeoutError:
            return {}
        return self._read(positions, topic, count, max_bytes)

    async def range(
        self, topic: str, partition: int, first: str, last: str, count: int = 100
    ) -> list[Entry]:
        return self._streams[topic, partition].between(split_id(first), split_id(last), count)

    async def tail(self, topic: str, partition: int) -> str:
        return join_id(*self._streams[topic, partition].last)

    async def holds(self, topic: str, partition: int, entry_id: str) -> bool:
        return bool(await self.range(topic, partition, entry_id, entry_id, 1))

    async def forward(self, topic: str, partition: int, entry_id: str) -> None:
        stream = self._streams[topic, partition]
        stream.last = max(stream.last, split_id(entry_id))

    async def length(self, topic: str, partition: int) -> int:
        return len(self._streams[topic, partition].ids)

    async def floor(self, topic: str, partition: int) -> str:
        return join_id(*self._streams[topic, partition].floor)

    async def register_reader(self, topic: str, partition: int, reader: str) -> None:
        check_declared(topic, reader)
        self._streams[topic, partition].reported.setdefault(reader, START)

    async def report_position(self, topic: str, partition: int, reader: str, position: str) -> None:
        check_declared(topic, reader)
        self._streams[topic, partition].reported[reader] = position

    async def reported(self, topic: str, partition: int) -> dict[str, str]:
        return dict(self._streams[topic, partition].reported)

    async def trim(self, topic: str, partition: int) -> int:
        stream = self._streams[topic, partition]
        floor = trim_floor(topic, stream.reported)
        if floor is None:
            return 0
        stream.floor = max(stream.floor, split_id(floor))
        gone = bisect.bisect_left(stream.ids, stream.floor)
        del stream.ids[:gone], stream.entries[:gone]
        return gone

    async def ping(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    def lose(self, topic: str, partition: int) -> None:
        """Forget a stream, as a server does that lost its disk (for tests of recovery)."""
        del self._streams[topic, partition]
        self._counters.clear()

    def _put(self, stream: _Stream, new_id: _Id, entry: NewEntry) -> None:
        stream.ids.append(new_id)
        stream.entries.append(entry)
        stream.last = new_id

    async def _wake(self) -> None:
        async with self._appended:
            self._appended.notify_all()

    def _read(
        self, positions: Mapping[int, str], topic: str, count: int, max_bytes: int
    ) -> dict[int, list[Entry]]:
        found: dict[int, list[Entry]] = {}
        for partition, position in positions.items():
            high, low = split_id(position)
            entries = self._streams[topic, partition].between((high, low + 1), (1 << 64, 0), count)
            if entries:
                found[partition] = entries
        return within_budget(found, max_bytes)


def _entry(entry_id: _Id, new: NewEntry) -> Entry:
    return Entry(
        join_id(*entry_id), new.payload, new.count, new.kinds, new.trace, project_id=new.project_id
    )
