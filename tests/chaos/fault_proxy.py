"""A TCP proxy that misbehaves on command, in front of a database, a stream server or a receiver.

It runs in the test's own event loop. Faults are switched while connections are open and hold for
old and new ones alike until ``heal``. What waits to be passed on is bounded: a proxy that is held
back stops reading, so the sender feels it as it would feel a slow network.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self

CHUNK: Final = 16_384
"""Bytes read at once; with one chunk under way a direction, all that a connection may hold."""


class Fault(Enum):
    """How the network is."""

    NONE = "none"
    LATENCY = "latency"
    """Every chunk is late by ``delay_s``, in each direction."""
    RESET = "reset"
    """Open connections are reset, new ones too."""
    REFUSE = "refuse"
    """Nobody listens."""
    BLACKHOLE = "blackhole"
    """Connections stand and are accepted, and nothing passes either way."""
    ONE_WAY = "one_way"
    """Requests pass, answers do not: what was asked is done, and nobody hears of it."""
    HALF_OPEN = "half_open"
    """Open connections are dead without a sign, for ever; new ones work. (A failover's debris.)"""
    DRIP = "drip"
    """A few bytes at a time."""
    CORRUPT = "corrupt"
    """Answers have bytes that nobody sent."""


@dataclass(slots=True, eq=False)
class _Link:
    """One connection through the proxy: towards the client, and towards the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    dead: bool = False


class FaultProxy:
    """Listens on a free loopback port and passes on to ``target``; an async context manager."""

    def __init__(self, target_port: int, *, seed: int = 0) -> None:
        self._target_port = target_port
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Future[None]] = set()
        self._changed = asyncio.Event()
        self.fault = Fault.NONE
        self.delay_s = 0.0
        self.port = 0
        self.passed = 0
        """Bytes passed on, both ways."""

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._links)

    async def set(self, fault: Fault, *, delay_s: float = 0.2) -> None:
        """Switch to a fault; ``delay_s`` is of each chunk (latency) or few bytes (drip)."""
        self.fault, self.delay_s = fault, delay_s
        self._changed.set()
        self._changed = asyncio.Event()
        if fault is Fault.REFUSE:
            await self._stop_listening()
        elif self._server is None:
            await self._listen()
        if fault in {Fault.RESET, Fault.REFUSE}:
            self._reset_all()
        if fault is Fault.HALF_OPEN:
            for link in self._links:
                link.dead = True

    async def heal(self) -> None:
        """Pass on as usual, also what was held back."""
        await self.set(Fault.NONE)

    async def aclose(self) -> None:
        """Close everything and wait for it."""
        await self._stop_listening()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await asyncio.sleep(0)

    def _reset_all(self) -> None:
        for link in list(self._links):
            for writer in (link.client, link.server):
                _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.fault is Fault.RESET:
            _reset(writer)
            return
        try:
            # In a blackhole not even the way to the server is open.
            while self.fault is Fault.BLACKHOLE:
                await self._changed.wait()
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self._target_port, limit=CHUNK
            )
        except (OSError, asyncio.CancelledError):
            _reset(writer)
            return
        with contextlib.suppress(asyncio.CancelledError), self._link(writer, far_writer) as link:
            await asyncio.gather(
                self._pass_on(link, reader, far_writer, answers=False),
                self._pass_on(link, far_reader, writer, answers=True),
            )

    @contextlib.contextmanager
    def _link(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> Iterator[_Link]:
        link = _Link(client, server)
        self._links.add(link)
        try:
            yield link
        finally:
            self._links.discard(link)
            for writer in (client, server):
                writer.close()
                closing = asyncio.ensure_future(_closed(writer))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

    async def _pass_on(
        self,
        link: _Link,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        *,
        answers: bool,
    ) -> None:
        try:
            while chunk := await source.read(CHUNK):
                while self._held_back(answers=answers):
                    await self._changed.wait()
                if not link.dead:
                    await self._deliver(chunk, sink, answers=answers)
            if sink.can_write_eof() and not link.dead:
                sink.write_eof()
        # RuntimeError is what uvloop has for a connection that is closed already.
        except (OSError, RuntimeError):
            # A reset is told to the other side, as without anybody in between.
            if not link.dead:
                _reset(sink)

    async def _deliver(self, chunk: bytes, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        if self.fault is Fault.LATENCY:
            await asyncio.sleep(self.delay_s)
        elif self.fault is Fault.CORRUPT and answers:
            chunk = self._spoilt(chunk)
        while chunk and self.fault is Fault.DRIP:
            sink.write(chunk[:8])
            await sink.drain()
            self.passed, chunk = self.passed + len(chunk[:8]), chunk[8:]
            await asyncio.sleep(self.delay_s)
        sink.write(chunk)
        self.passed += len(chunk)
        await sink.drain()

    def _held_back(self, *, answers: bool) -> bool:
        return self.fault is Fault.BLACKHOLE or (answers and self.fault is Fault.ONE_WAY)

    def _spoilt(self, chunk: bytes) -> bytes:
        spoilt = bytearray(chunk)
        # The first byte is a protocol's marker: with another one no answer can pass for a good one.
        for at in {0, self._random.randrange(len(spoilt))}:
            spoilt[at] ^= 0x80 | self._random.randrange(1, 128)
        return bytes(spoilt)


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Return when a connection is closed; how it ended does not matter."""
    with contextlib.suppress(Exception):
        await writer.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST rather than FIN, as a host does that lost its state."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
