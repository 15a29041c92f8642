"""Where the relay puts numbered rows: a stream, or whatever else a service delivers to."""

from collections.abc import Sequence
from typing import Protocol

from siyu_kit.sql.feed import Feed, FeedRow
from siyu_kit.stream.port import NewEntry, StreamStore, split_id


class OutboxPublisher(Protocol):
    """Delivers rows in order; every call may be a repetition."""

    async def tail(self, of: Feed) -> int | None:
        """The last sequence already delivered; None when the destination cannot tell."""
        ...

    async def publish(self, of: Feed, rows: Sequence[FeedRow]) -> None:
        """Deliver consecutive rows, idempotently; durable on return."""
        ...

    async def tidy(self, of: Feed) -> None:
        """Called now and then: drop what nobody needs any more."""
        ...


class StreamPublisher:
    """Publishes a feed into its stream, each row as ``<sequence>-0``."""

    def __init__(self, stream: StreamStore) -> None:
        self._stream = stream

    async def tail(self, of: Feed) -> int | None:
        return split_id(await self._stream.tail(of.topic, of.partition))[0]

    async def publish(self, of: Feed, rows: Sequence[FeedRow]) -> None:
        entries = [NewEntry(row.payload, row.count, row.kinds, row.trace) for row in rows]
        await self._stream.append_run(of.topic, of.partition, rows[0].sequence, entries)

    async def tidy(self, of: Feed) -> None:
        await self._stream.trim(of.topic, of.partition)
