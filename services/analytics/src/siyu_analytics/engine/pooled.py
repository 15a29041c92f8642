"""The engine port over a client of ClickHouse: a bounded pool of threads, a connection each.

Where the engine is, in this process or behind HTTP, is the subclass's; statements, places, limits
and how a statement is stopped are the same for both.
"""

import asyncio
import contextlib
import math
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import pyarrow as pa

from siyu_analytics.domain.cost import CostBounds
from siyu_analytics.domain.progress import Reading
from siyu_analytics.engine.failures import surfaced
from siyu_analytics.engine.protobuf import PROTOBUF_SETTINGS, with_length
from siyu_analytics.engine.select import Select, TooManyRowsError, table_of
from siyu_analytics.engine.statements import HEAVY, KILL, PROCESSES, readings_of
from siyu_kit.clock import SystemClock
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.limits.slots import SlotPool
from siyu_kit.scope import current_scope

R = TypeVar("R")

_KILLS: Final = 20
_BETWEEN_KILLS_S: Final = 0.05
_READINGS_LAST_S: Final = 0.2
"""However many watch, the engine is asked that often."""


class _AbandonedError(Exception):
    """Nobody waits for this statement any more, and it has not begun."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine may take."""

    threads: int = 4
    """Statements at once; each has a connection of its own."""
    guests: int = 0
    """Threads beyond these for projects that run nothing, while others' long statements do."""
    heavy: int = 1
    """Heavy statements at once, on threads beyond all these: light ones never wait for one."""
    cost: CostBounds = field(default_factory=CostBounds)
    """Which of a question's statements are heavy, and which are refused."""
    waiting: int = 64
    """Statements that may wait for a thread; more are refused."""
    server_memory: int = 6_000_000_000
    """Bytes, of everything together."""
    query_memory: int = 3_000_000_000
    """Bytes, of one statement."""
    timeout_s: float = 60.0
    """Of one statement that is given no time of its own."""


class _Places:
    """Threads, and the queue for them."""

    def __init__(self, name: str, slots: Slots) -> None:
        self.slots = SlotPool(name, slots, SystemClock())
        # bounded: a statement takes a slot first, and keeps it until its thread is free again
        self.threads = ThreadPoolExecutor(slots.capacity + slots.guests, thread_name_prefix=name)


class PooledEngine(ABC):
    """An ``Engine``."""

    def __init__(self, limits: Limits | None = None, *, name: str = "engine") -> None:
        self._name = name
        self._limits = limits or Limits()
        own = self._limits
        most = own.waiting
        ordinary = Slots(own.threads, own.guests, waiting=most, waiting_each=most)
        self._ordinary = _Places(name, ordinary)
        self._heavy = _Places(f"{name}_heavy", Slots(own.heavy, waiting=most, waiting_each=most))
        # bounded: one KILL for each statement that runs
        self._killer = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-kill")
        # bounded: one look for each stream that watches, and streams are bounded
        self._watcher = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-watch")
        self._readings: tuple[float, Mapping[str, Reading]] = (-math.inf, {})
        self._local = threading.local()
        self._clients: list[Any] = []
        self._opening = threading.Lock()

    @property
    def running(self) -> int:
        """Statements that hold a thread or are given one next."""
        return self._ordinary.slots.running + self._heavy.slots.running

    @property
    def name(self) -> str:
        """Which of the engines on a path it is."""
        return self._name

    @property
    def admitted(self) -> int:
        """Statements that run or wait."""
        return self.running + self._ordinary.slots.waiting + self._heavy.slots.waiting

    @property
    def most_admitted(self) -> int:
        """Statements that may run or wait."""
        own = self._limits
        return own.threads + own.guests + own.heavy + 2 * own.waiting

    async def query(
        self,
        sql: str,
        parameters: Mapping[str, object],
        *,
        timeout_s: float | None = None,
        mark: str = "",
    ) -> pa.Table:
        """Run a SELECT; see the port. The text carries neither a FORMAT nor a SETTINGS clause."""
        limit_s = self._limits.timeout_s if timeout_s is None else timeout_s
        ends = math.inf if limit_s <= 0 else time.monotonic() + limit_s
        asked = Select(sql, dict(parameters), mark or uuid.uuid4().hex, ends)
        first_rows = self._limits.cost.first_rows if mark else 0
        if not first_rows:
            return await self._on_thread(asked.read, asked.mark)
        try:
            return await self._on_thread(partial(asked.read_within, first_rows), asked.mark)
        except TooManyRowsError:
            rows = await self._on_thread(asked.rows, asked.mark)
        self._limits.cost.check(max(rows, first_rows + 1))
        most = self._limits.cost.most_rows
        heavily = partial(asked.read, settings={**HEAVY, "max_rows_to_read": most})
        return await self._on_thread(heavily, asked.mark, places=self._heavy)

    async def progress(self) -> Mapping[str, Reading]:
        """What runs, by mark; see the port."""
        return await asyncio.get_running_loop().run_in_executor(self._watcher, self._look)

    def _look(self) -> Mapping[str, Reading]:
        """On the one thread that looks: who comes while another looks is told what that one saw."""
        taken_s, readings = self._readings
        if time.monotonic() - taken_s >= _READINGS_LAST_S:
            with surfaced(), self._sound():
                raw = self._client().raw_query(PROCESSES, fmt="ArrowStream")
            readings = readings_of(table_of(raw).to_pylist())
            self._readings = (time.monotonic(), readings)
        return readings

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement without an answer."""
        bound = dict(parameters or {})

        def run(client: Any) -> None:
            client.command(sql, parameters=bound)

        await self._on_thread(run)

    async def insert_protobuf(self, table: str, payload: bytes, schema_text: str) -> None:
        """Insert the messages of an envelope; see the port."""
        settings = {**PROTOBUF_SETTINGS, "format_schema": schema_text}
        block = with_length(payload)

        def run(client: Any) -> None:
            client.raw_insert(table, insert_block=block, settings=settings, fmt="ProtobufList")

        await self._on_thread(run, decoding=True)

    async def insert_arrow(self, table: str, data: pa.Table, *, token: str | None = None) -> None:
        """Insert rows; see the port."""
        settings: dict[str, object] = {"input_format_arrow_allow_missing_columns": 1}
        if token is not None:
            settings |= {"insert_deduplicate": 1, "insert_deduplication_token": token}
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, data.schema) as writer:
            writer.write_table(data.combine_chunks())
        block = sink.getvalue().to_pybytes()

        def run(client: Any) -> None:
            client.raw_insert(
                table,
                column_names=data.column_names,
                insert_block=block,
                settings=settings,
                fmt="ArrowStream",
            )

        await self._on_thread(run)

    async def aclose(self) -> None:
        """Wait for what runs, close every connection."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """The same, outside of an event loop."""
        self._ordinary.threads.shutdown(wait=True)
        self._heavy.threads.shutdown(wait=True)
        self._killer.shutdown(wait=True)
        self._watcher.shutdown(wait=True)
        for client in self._clients:
            client.close()
        self._clients.clear()

    async def _on_thread(
        self,
        run: Callable[[Any], R],
        mark: str = "",
        *,
        decoding: bool = False,
        places: _Places | None = None,
    ) -> R:
        scope, places = current_scope(), places or self._ordinary
        release = await places.slots.take(scope.project if scope else "")
        loop = asyncio.get_running_loop()
        cancelled, ended = threading.Event(), threading.Event()

        def work() -> R:
            try:
                if cancelled.is_set():
                    raise _AbandonedError
                with surfaced(decoding=decoding), self._sound():
                    return run(self._client())
            finally:
                ended.set()

        future = loop.run_in_executor(places.threads, work)
        future.add_done_callback(partial(_ended, release))
        try:
            # Shielded: a thread cannot be stopped, so the statement is, and then it ends by itself.
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            cancelled.set()
            if mark and not future.done():
                loop.run_in_executor(self._killer, self._kill, mark, ended)
            raise

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        """Leave the thread's connection fit for the next statement when this one fails."""
        try:
            yield
        except BaseException:
            client = getattr(self._local, "client", None)
            if client is not None and not self._is_fit(client):
                self._local.client = None
                with self._opening:
                    self._clients.remove(client)
                client.close()
            raise

    def _is_fit(self, client: Any) -> bool:
        """Whether a connection whose statement failed may be used again; else it is closed."""
        return client is not None

    def _kill(self, mark: str, ended: threading.Event) -> None:
        """Again and again for a while: a statement that was just sent is not known yet."""
        for _ in range(_KILLS):
            with contextlib.suppress(Exception):
                self._client().command(KILL.format(mark=mark))
            if ended.wait(_BETWEEN_KILLS_S):
                return

    def _client(self) -> Any:
        client = getattr(self._local, "client", None)
        if client is None:
            with self._opening:
                client = self._open()
                self._clients.append(client)
            self._local.client = client
        return client

    @abstractmethod
    def _open(self) -> Any:
        """A new connection."""


def _ended(release: Callable[[], None], future: "asyncio.Future[Any]") -> None:
    release()
    if not future.cancelled():
        future.exception()  # seen: nobody may be waiting for it any more
