"""A gRPC channel that is replaced when the certificates it was made with change.

gRPC for Python can change a server's certificate, not a client's: new calls take a new channel, and
the old one is closed when its last call has ended. A stream that is open stays where it is.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Self

from grpc import aio

from siyu_kit.rpc.tls import Certificates, CertificateSource

Bind = Callable[[aio.Channel], Any]
"""Makes a method's callable of a channel."""


class _Generation:
    """One channel, and how many calls are under way on it."""

    __slots__ = ("calls", "certificates", "channel", "retired")

    def __init__(self, channel: aio.Channel, certificates: Certificates | None) -> None:
        self.channel = channel
        self.certificates = certificates
        self.calls = 0
        self.retired = False


class RenewedChannel:
    """The channel of one peer, of the newest certificates."""

    def __init__(
        self, source: CertificateSource | None, make: Callable[[Certificates], aio.Channel]
    ) -> None:
        self._source = source
        self._make = make
        self._closing: set[asyncio.Task[None]] = set()
        self._retired: set[_Generation] = set()
        if source is not None:
            found = source.current()
            self._generation = _Generation(make(found), found)

    @classmethod
    def fixed(cls, channel: aio.Channel) -> Self:
        """One that stays what it is."""

        def never(_: Certificates) -> aio.Channel:
            raise AssertionError("a fixed channel is not made anew")

        found = cls(None, never)
        found._generation = _Generation(channel, None)
        return found

    def current(self) -> aio.Channel:
        """The channel for what starts now."""
        return self._newest().channel

    def bound(self, bind: Bind) -> Callable[..., Any]:
        """A method's callable that follows the channel."""
        if self._source is None:
            return bind(self._generation.channel)  # type: ignore[no-any-return]
        last: tuple[_Generation, Any] | None = None

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal last
            generation = self._newest()
            if last is None or last[0] is not generation:
                last = (generation, bind(generation.channel))
            started = last[1](*args, **kwargs)
            generation.calls += 1
            started.add_done_callback(lambda _: self._ended(generation))
            return started

        return call

    async def close(self, grace: float | None = None) -> None:
        """Close every channel; calls under way are cut after ``grace`` seconds."""
        for generation in (*self._retired, self._generation):
            await generation.channel.close(grace)
        if self._closing:
            await asyncio.wait(self._closing)

    def _newest(self) -> _Generation:
        if self._source is None:
            return self._generation
        found = self._source.current()
        if found is not self._generation.certificates:
            old, self._generation = self._generation, _Generation(self._make(found), found)
            old.retired = True
            self._retired.add(old)
            self._close_if_idle(old)
        return self._generation

    def _ended(self, generation: _Generation) -> None:
        generation.calls -= 1
        if generation.retired:
            self._close_if_idle(generation)

    def _close_if_idle(self, generation: _Generation) -> None:
        if generation.calls or generation not in self._retired:
            return
        self._retired.discard(generation)
        task = asyncio.ensure_future(generation.channel.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
