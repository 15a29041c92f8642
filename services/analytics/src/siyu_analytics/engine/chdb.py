"""chDB behind the engine port: one path a process, one connection a thread, never forked.

The connection string bounds the whole server; each statement has its own limits on top. Importing
chDB takes a second and 230 MB, so it happens when the first engine opens.
"""

import asyncio
import contextlib
import math
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa

from siyu_analytics.engine.failures import surfaced
from siyu_analytics.engine.protobuf import PROTOBUF_SETTINGS, with_length
from siyu_kit.clock import SystemClock
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.limits.slots import SlotPool
from siyu_kit.scope import current_scope

R = TypeVar("R")

_KILL: Final = "KILL QUERY WHERE query LIKE '%{mark}%' AND query NOT LIKE 'KILL%' ASYNC"
_KILLS: Final = 20
_BETWEEN_KILLS_S: Final = 0.05


class _AbandonedError(Exception):
    """Nobody waits for this statement any more, and it has not begun."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine may take."""

    threads: int = 4
    """Statements at once; each has a connection of its own."""
    guests: int = 0
    """Threads beyond these for projects that run nothing, while others' long statements do."""
    waiting: int = 64
    """Statements that may wait for a thread; more are refused."""
    server_memory: int = 6_000_000_000
    """Bytes, of everything together."""
    query_memory: int = 3_000_000_000
    """Bytes, of one statement."""
    timeout_s: float = 60.0
    """Of one statement that is given no time of its own."""


class ChdbEngine:
    """An ``Engine``. Several may be open on the same path, so that writes never wait for reads."""

    def __init__(self, path: Path, limits: Limits | None = None, *, name: str = "engine") -> None:
        self._path = path
        self._name = name
        self._limits = limits or Limits()
        own = self._limits
        slots = Slots(own.threads, own.guests, waiting=own.waiting, waiting_each=own.waiting)
        self._slots = SlotPool(name, slots, SystemClock())
        # bounded: a statement takes a slot first, and keeps it until its thread is free again
        self._pool = ThreadPoolExecutor(own.threads + own.guests, thread_name_prefix=name)
        # bounded: one KILL for each statement that runs
        self._killer = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-kill")
        self._local = threading.local()
        self._clients: list[Any] = []
        self._opening = threading.Lock()

    @property
    def running(self) -> int:
        """Statements that hold a thread or are given one next."""
        return self._slots.running

    @property
    def name(self) -> str:
        """Which of the engines on a path it is."""
        return self._name

    @property
    def admitted(self) -> int:
        """Statements that run or wait."""
        return self._slots.running + self._slots.waiting

    @property
    def most_admitted(self) -> int:
        """Statements that may run or wait."""
        return self._limits.threads + self._limits.guests + self._limits.waiting

    async def query(
        self, sql: str, parameters: Mapping[str, object], *, timeout_s: float | None = None
    ) -> pa.Table:
        """Run a SELECT; see the port. The text carries no FORMAT clause."""
        mark = uuid.uuid4().hex
        text = f"/* {mark} */ {sql}"
        limit_s = self._limits.timeout_s if timeout_s is None else timeout_s

        def run(client: Any) -> pa.Table:
            self._limit_time(client, limit_s)
            raw = client.raw_query(text, parameters=dict(parameters), fmt="ArrowStream")
            # The engine sends nothing at all for an answer without rows and columns.
            return pa.ipc.open_stream(raw).read_all() if raw else pa.table({})

        return await self._on_thread(run, mark)

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement without an answer."""
        bound = dict(parameters or {})

        def run(client: Any) -> None:
            self._limit_time(client, 0)
            client.command(sql, parameters=bound)

        await self._on_thread(run)

    async def insert_protobuf(self, table: str, payload: bytes, schema_text: str) -> None:
        """Insert the messages of an envelope; see the port."""
        settings = {**PROTOBUF_SETTINGS, "format_schema": schema_text}
        block = with_length(payload)

        def run(client: Any) -> None:
            self._limit_time(client, 0)
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
            self._limit_time(client, 0)
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
        self._pool.shutdown(wait=True)
        self._killer.shutdown(wait=True)
        for client in self._clients:
            client.close()
        self._clients.clear()

    async def _on_thread(
        self, run: Callable[[Any], R], mark: str = "", *, decoding: bool = False
    ) -> R:
        scope = current_scope()
        release = await self._slots.take(scope.project if scope else "")
        loop = asyncio.get_running_loop()
        cancelled, ended = threading.Event(), threading.Event()

        def work() -> R:
            try:
                if cancelled.is_set():
                    raise _AbandonedError
                with surfaced(decoding=decoding):
                    return run(self._client())
            finally:
                ended.set()

        future = loop.run_in_executor(self._pool, work)
        future.add_done_callback(partial(_ended, release))
        try:
            # Shielded: a thread cannot be stopped, so the statement is, and then it ends by itself.
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            cancelled.set()
            if mark and not future.done():
                loop.run_in_executor(self._killer, self._kill, mark, ended)
            raise

    def _kill(self, mark: str, ended: threading.Event) -> None:
        """Again and again for a while: a statement that was just sent is not known yet."""
        for _ in range(_KILLS):
            with contextlib.suppress(Exception):
                self._client().command(_KILL.format(mark=mark))
            if ended.wait(_BETWEEN_KILLS_S):
                return

    def _client(self) -> Any:
        client = getattr(self._local, "client", None)
        if client is None:
            with self._opening:
                client = self._open()
                self._clients.append(client)
            self._local.client = client
            self._local.limit_s = -1
        return client

    def _limit_time(self, client: Any, seconds: float) -> None:
        """0 is without limit; a statement's time is set on the connection only when it changes."""
        limit_s = 0.0 if seconds <= 0 else math.ceil(seconds * 10) / 10
        if self._local.limit_s != limit_s:
            client.set_client_setting("max_execution_time", limit_s)
            self._local.limit_s = limit_s

    def _open(self) -> Any:
        import clickhouse_connect

        self._path.mkdir(parents=True, exist_ok=True)
        options = {
            "max_server_memory_usage": self._limits.server_memory,
            "async_insert": 0,
            "background_pool_size": 2,
            "background_schedule_pool_size": 4,
            "background_common_pool_size": 2,
            "mark_cache_size": 67_108_864,
            "uncompressed_cache_size": 0,
            # The engine keeps schemas that it is given as text in files below this.
            "format_schema_path": str(self._path / "format_schemas"),
        }
        client = clickhouse_connect.get_client(
            interface="chdb", path=str(self._path), chdb_options=options
        )
        for key, value in _SESSION.items():
            client.set_client_setting(key, value)
        client.set_client_setting("max_memory_usage", self._limits.query_memory)
        return client


def _ended(release: Callable[[], None], future: "asyncio.Future[Any]") -> None:
    release()
    if not future.cancelled():
        future.exception()  # seen: nobody may be waiting for it any more


_SESSION: Final[Mapping[str, object]] = {
    # Two cores are shared with the other services.
    "max_threads": 2,
    "max_insert_threads": 1,
    # An import may bring a month at a time; a batch must still be one insert.
    "max_partitions_per_insert_block": 0,
    "max_bytes_before_external_group_by": 1_000_000_000,
    "max_bytes_before_external_sort": 1_000_000_000,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}
