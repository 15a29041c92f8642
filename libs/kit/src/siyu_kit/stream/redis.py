"""Redis Streams behind the port (Redis >= 6.2, Valkey).

Under ``appendfsync always`` the server writes and fsyncs its log before it sends the replies of
that turn, so one pipeline of appends costs one fsync and an OK means "on disk". Appends go in a
transaction with their counters: after a crash the server has all of a pipeline or nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from siyu_kit.errors import DataLoss, DependencyDown
from siyu_kit.stream.codec import decode, encode
from siyu_kit.stream.port import (
    START,
    Appended,
    Cut,
    Entry,
    NewEntry,
    PlacedEntry,
    Promise,
    is_before,
    join_id,
    split_id,
)
from siyu_kit.stream.redis_admission import Admission, admitting
from siyu_kit.stream.redis_errors import is_not_ahead, raise_first, surfaced, translated
from siyu_kit.stream.redis_facts import read_facts
from siyu_kit.stream.redis_promise import promise_of
from siyu_kit.stream.sizing import ReadSizing, within_budget
from siyu_kit.stream.topics import LEDGER_KEY, position_key, stream_key
from siyu_kit.stream.trimming import check_declared, trim_floor

FLOOR_FIELD: Final = ".floor"
"""Beside the readers' positions: where trimming has been; no reader's name starts with a dot."""

Command = tuple[Any, ...]


class RedisStreamStore:
    """The port over one Redis-protocol server. Create it inside the running loop.

    ``replicas`` > 0 makes an append wait for that many acknowledging replicas (best effort:
    the server's own documentation does not call ``WAIT`` a guarantee). With ``admission`` a new
    connection is used only when it leads to the server that was verified (``guard``).
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 5.0,
        max_connections: int = 32,
        replicas: int = 0,
        admission: Admission | None = None,
    ) -> None:
        self.url = url

        def client() -> Redis:
            # No retries below us: a repeated XADD appends twice, and callers have deadlines.
            # No socket timeout either: with it the client loses cancellations (``wait_for`` of
            # Python 3.11), and a worker that should end goes on. Every call is bounded here.
            return Redis.from_url(
                url,
                protocol=2,
                socket_connect_timeout=timeout_s,
                socket_timeout=None,
                retry=Retry(NoBackoff(), 0),
                max_connections=max_connections,
                redis_connect_func=admitting(admission) if admission else None,
            )

        self._timeout_s = timeout_s
        self._replicas = replicas
        self._client = client()
        self._blocking = client()
        self._sizing = ReadSizing()

    async def promise(self) -> Promise:
        with surfaced():
            async with asyncio.timeout(self._timeout_s):
                return promise_of(await read_facts(self._client), self._replicas)

    async def append(self, topic: str, partition: int, entries: Sequence[NewEntry]) -> list[str]:
        return await self.append_many([PlacedEntry(topic, partition, entry) for entry in entries])

    async def append_many(self, entries: Sequence[PlacedEntry]) -> list[str]:
        return list((await self.append_counted(entries, {})).ids)

    async def append_counted(
        self, entries: Sequence[PlacedEntry], counts: Mapping[str, int]
    ) -> Appended:
        commands: list[Command] = [
            _xadd(stream_key(placed.topic, placed.partition), "*", placed.entry)
            for placed in entries
        ]
        commands += [("HINCRBY", LEDGER_KEY, name, count) for name, count in counts.items()]
        replies = await self._write(commands)
        raise_first(replies)
        ids = [reply.decode() for reply in replies[: len(entries)]]
        return Appended(ids, dict(zip(counts, replies[len(entries) :], strict=True)))

    async def cut(self, topic: str, partitions: int) -> Cut:
        keys = [stream_key(topic, partition) for partition in range(partitions)]
        existing = [key for key in keys if await self._call("EXISTS", key)]
        commands: list[Command] = [("HGETALL", LEDGER_KEY)]
        commands += [("XINFO", "STREAM", key) for key in existing]
        counters, *streams = await self._atomically(commands)
        raise_first([counters, *streams])
        pairs = zip(counters[::2], counters[1::2], strict=True)
        last = dict(zip(existing, map(_last_id, streams), strict=True))
        return Cut(
            {name.decode(): int(value) for name, value in pairs},
            {partition: last.get(key, START) for partition, key in enumerate(keys)},
        )

    async def append_at(self, topic: str, partition: int, sequence: int, entry: NewEntry) -> bool:
        return await self.append_run(topic, partition, sequence, [entry]) == 1

    async def append_run(
        self, topic: str, partition: int, first: int, entries: Sequence[NewEntry]
    ) -> int:
        key = stream_key(topic, partition)
        commands = [_xadd(key, join_id(first + i), entry) for i, entry in enumerate(entries)]
        replies = await self._write(commands)
        standing = [i for i, reply in enumerate(replies) if is_not_ahead(reply)]
        raise_first([reply for reply in replies if not is_not_ahead(reply)])
        for i in standing:
            await self._must_equal(topic, partition, first + i, entries[i])
        return len(entries) - len(standing)

    async def read(
        self,
        positions: Mapping[int, str],
        topic: str,
        *,
        count: int = 100,
        max_bytes: int = 8_000_000,
        block_ms: int = 0,
    ) -> dict[int, list[Entry]]:
        if not positions:
            return {}
        partition_of = {stream_key(topic, p).encode(): p for p in positions}
        limit = self._sizing.count_for(topic, count, max_bytes, len(positions))
        block = ("BLOCK", block_ms) if block_ms > 0 else ()
        command = ("XREAD", "COUNT", limit, *block, "STREAMS", *partition_of, *positions.values())
        reply = await self._read(command, block_ms)
        found = {partition_of[key]: _entries(rows) for key, rows in reply}
        self._sizing.learn(topic, found)
        return within_budget(found, max_bytes)

    async def range(
        self, topic: str, partition: int, first: str, last: str, count: int = 100
    ) -> list[Entry]:
        key = stream_key(topic, partition)
        return _entries(await self._call("XRANGE", key, first, last, "COUNT", count))

    async def tail(self, topic: str, partition: int) -> str:
        # XINFO alone knows the last id of a stream whose entries are all trimmed; it fails on a
        # missing key, so existence is asked first (a stream's key outlives its entries).
        key = stream_key(topic, partition)
        if not await self._call("EXISTS", key):
            return START
        return _last_id(await self._call("XINFO", "STREAM", key))

    async def holds(self, topic: str, partition: int, entry_id: str) -> bool:
        return bool(await self.range(topic, partition, entry_id, entry_id, 1))

    async def forward(self, topic: str, partition: int, entry_id: str) -> None:
        if not is_before(await self.tail(topic, partition), entry_id):
            return
        # XSETID needs a key that exists; an entry that comes and goes makes one, too.
        key = stream_key(topic, partition)
        passing: list[Command] = [("XADD", key, entry_id, "p", ""), ("XDEL", key, entry_id)]
        added, _ = await self._atomically(passing)
        if not is_not_ahead(added):
            raise_first([added])

    async def length(self, topic: str, partition: int) -> int:
        return int(await self._call("XLEN", stream_key(topic, partition)))

    async def floor(self, topic: str, partition: int) -> str:
        value = await self._call("HGET", position_key(topic, partition), FLOOR_FIELD)
        return value.decode() if value else START

    async def register_reader(self, topic: str, partition: int, reader: str) -> None:
        check_declared(topic, reader)
        await self._call("HSETNX", position_key(topic, partition), reader, START)

    async def report_position(self, topic: str, partition: int, reader: str, position: str) -> None:
        check_declared(topic, reader)
        await self._call("HSET", position_key(topic, partition), reader, position)

    async def reported(self, topic: str, partition: int) -> dict[str, str]:
        reply = await self._call("HGETALL", position_key(topic, partition))
        positions = {name.decode(): value.decode() for name, value in reply.items()}
        positions.pop(FLOOR_FIELD, None)
        return positions

    async def trim(self, topic: str, partition: int) -> int:
        floor = trim_floor(topic, await self.reported(topic, partition))
        if floor is None:
            return 0
        # The floor is told first: a reader must never find entries gone without a mark.
        if is_before(await self.floor(topic, partition), floor):
            await self._call("HSET", position_key(topic, partition), FLOOR_FIELD, floor)
        return int(await self._call("XTRIM", stream_key(topic, partition), "MINID", "=", floor))

    async def ping(self) -> None:
        await self._call("PING")

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._blocking.aclose()

    async def _call(self, *command: Any) -> Any:
        with surfaced():
            async with asyncio.timeout(self._timeout_s):
                return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _read(self, command: Command, block_ms: int) -> Any:
        if block_ms <= 0:
            return await self._call(*command)
        with surfaced():
            async with asyncio.timeout(block_ms / 1000 + self._timeout_s):
                return await self._blocking.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _write(self, commands: Sequence[Command]) -> list[Any]:
        """All of the writes or none; with replicas asked for, return only when they have it."""
        if not commands:
            return []
        after = [("WAIT", self._replicas, int(self._timeout_s * 500))] if self._replicas else []
        return await self._atomically(commands, after)

    async def _atomically(
        self, commands: Sequence[Command], after: Sequence[Command] = ()
    ) -> list[Any]:
        """Replies of a transaction; ``after`` it comes what a transaction would not wait for."""
        with surfaced():
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.pipeline(transaction=False) as pipe,
            ):
                for command in (("MULTI",), *commands, ("EXEC",), *after):
                    pipe.execute_command(*command)
                replies = await pipe.execute(raise_on_error=False)
        executed = replies[len(commands) + 1]
        if not isinstance(executed, list):
            # What could not be queued says why (no memory); else the transaction does.
            raise_first([translated(reply) for reply in replies[1:]])
            raise DependencyDown("STREAM_DOWN", "the stream server gave a transaction up")
        if after:
            self._check_replicas(replies[-1])
        return [translated(reply) for reply in executed]

    def _check_replicas(self, reply: Any) -> None:
        if not isinstance(reply, int) or reply < self._replicas:
            raise DependencyDown(
                "STREAM_NOT_REPLICATED",
                "not enough replicas confirmed the append",
                wanted=str(self._replicas),
                got=str(reply),
            )

    async def _must_equal(self, topic: str, partition: int, sequence: int, entry: NewEntry) -> None:
        """An entry that was trimmed, or was never there, is the relay's affair (see ``relay``)."""
        at = join_id(sequence)
        for standing in await self.range(topic, partition, at, at, 1):
            if split_id(standing.id) == (sequence, 0) and standing.payload != entry.payload:
                raise DataLoss(
                    "STREAM_DIVERGED",
                    "another payload stands under this sequence",
                    topic=topic,
                    sequence=str(sequence),
                )


def _last_id(reply: Any) -> str:
    """Of XINFO STREAM."""
    last: bytes = dict(zip(reply[::2], reply[1::2], strict=True))[b"last-generated-id"]
    return last.decode()


def _entries(rows: Any) -> list[Entry]:
    return [decode(entry_id.decode(), fields or {}) for entry_id, fields in rows]


def _xadd(key: str, entry_id: str, entry: NewEntry) -> Command:
    fields = encode(entry)
    return ("XADD", key, entry_id, *(part for pair in fields.items() for part in pair))
