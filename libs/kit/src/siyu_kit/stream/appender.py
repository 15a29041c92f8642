"""Group commit: concurrent appends share one pipeline, hence one fsync."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from siyu_kit.errors import DependencyDown, TooBusy
from siyu_kit.failpoints import failpoint
from siyu_kit.stream.ledger import DoorLedger, Tallies
from siyu_kit.stream.port import PlacedEntry, StreamStore


@dataclass(slots=True)
class _Waiting:
    entries: Sequence[PlacedEntry]
    tallies: Tallies
    size: int
    done: asyncio.Future[list[str]]


class GroupAppender:
    """Collects appends while one is under way and sends them together, through a ledger if given.

    A request's entries stay together and in order. The queue is bounded in bytes; beyond it
    ``append`` raises ``TooBusy`` (a ``QuotaExceeded``) with the time to wait. An error reaches
    every request of the failed pipeline.
    """

    def __init__(
        self,
        stream: StreamStore,
        *,
        max_waiting_bytes: int = 64_000_000,
        max_pipeline_bytes: int = 8_000_000,
        retry_after_s: float = 0.2,
        ledger: DoorLedger | None = None,
    ) -> None:
        self._ledger = ledger
        self._stream = stream
        self._max_waiting_bytes = max_waiting_bytes
        self._max_pipeline_bytes = max_pipeline_bytes
        self._retry_after_s = retry_after_s
        # bounded: by ``max_waiting_bytes``, see ``append``
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._sender: asyncio.Task[None] | None = None

    @property
    def waiting_bytes(self) -> int:
        """Payload bytes accepted and not yet answered."""
        return self._waiting_bytes

    async def append(
        self, entries: Sequence[PlacedEntry], tallies: Tallies | None = None
    ) -> list[str]:
        """Append in order and return the ids, durable as the stream promises.

        ``tallies`` are counted in the ledger with the entries, or alone when there are none.
        Cancelled in the queue, nothing is appended; cancelled later, the entries may be.
        """
        if self._closed:
            raise DependencyDown("STREAM_CLOSING", "this process is stopping")
        size = sum(len(placed.entry.payload) for placed in entries)
        # A lone request is let in whatever its size, or it could never pass.
        if self._waiting_bytes and self._waiting_bytes + size > self._max_waiting_bytes:
            raise TooBusy(
                "STREAM_BUSY", "too many appends are waiting", retry_after_s=self._retry_after_s
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting(entries, tallies or {}, size, loop.create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += size
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send(), name="group-appender")
        return await waiting.done

    async def aclose(self) -> None:
        """Accept nothing more and return when everything accepted is answered."""
        self._closed = True
        if self._sender is not None:
            await asyncio.wait([self._sender])

    async def _send(self) -> None:
        while self._waiting:
            group = self._next_group()
            if not group:
                continue
            try:
                failpoint("appender.before_send")
                ids = await self._append(group)
                failpoint("appender.after_send")
            except Exception as error:  # noqa: BLE001 - it is handed to those who wait
                _fail(group, error)
            except asyncio.CancelledError:
                _fail([*group, *self._waiting], DependencyDown("STREAM_CLOSING", "stopped"))
                raise
            else:
                _answer(group, ids)
            finally:
                self._waiting_bytes -= sum(waiting.size for waiting in group)

    async def _append(self, group: Sequence[_Waiting]) -> list[str]:
        entries = [entry for waiting in group for entry in waiting.entries]
        if self._ledger is None:
            return await self._stream.append_many(entries)
        tallies: Counter[tuple[str, str]] = Counter()
        for waiting in group:
            tallies.update(waiting.tallies)
        return await self._ledger.append(entries, tallies)

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting:
            waiting = self._waiting[0]
            if group and size + waiting.size > self._max_pipeline_bytes:
                break
            self._waiting.popleft()
            if waiting.done.cancelled():  # whoever asked for it has left, and nothing was sent
                self._waiting_bytes -= waiting.size
                continue
            size += waiting.size
            group.append(waiting)
        return group


def _answer(group: Sequence[_Waiting], ids: Sequence[str]) -> None:
    start = 0
    for waiting in group:
        stop = start + len(waiting.entries)
        if not waiting.done.done():
            waiting.done.set_result(list(ids[start:stop]))
        start = stop


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for waiting in group:
        if not waiting.done.done():
            waiting.done.set_exception(error)
