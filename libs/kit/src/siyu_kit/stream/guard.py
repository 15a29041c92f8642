"""Holds the stream server to its promise: verified at start, every second, and when it changes.

A server that promises less than is configured is not used to answer OK. One that restarted or
was promoted is not used at all until it was looked at and those concerned have compared what it
has with what they know (``on_change``).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from siyu_kit.clock import Clock
from siyu_kit.errors import DependencyDown
from siyu_kit.log import get_logger
from siyu_kit.stream.port import Durability
from siyu_kit.stream.redis_facts import ServerFacts
from siyu_kit.stream.redis_promise import shortfalls

_log = get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
BROKEN: Final = "STREAM_PROMISE_BROKEN"


class StreamGuard:
    """Knows whether the server keeps what is configured. ``read`` asks it, unguarded."""

    def __init__(
        self,
        read: Callable[[], Awaitable[ServerFacts]],
        wanted: Durability,
        clock: Clock,
        *,
        replicas: int = 0,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self.wanted = wanted
        self._read = read
        self._clock = clock
        self._replicas = replicas
        self._look_every_s = look_every_s
        self._identity = ""
        self._settled = ""
        self._held = False
        self._reasons: tuple[str, ...] = ("the server was not looked at yet",)
        self._lock = asyncio.Lock()
        self._on_change: list[Callable[[], Awaitable[None]]] = []
        self.changes = 0
        """How many servers (or histories of one) have been met."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is missing for the promise; empty when all is well."""
        return self._reasons

    def on_change(self, compare: Callable[[], Awaitable[None]]) -> None:
        """Call this whenever another server was met, before anybody's ``check`` passes."""
        self._on_change.append(compare)

    async def admits(self, identity: str) -> bool:
        """Whether a connection to this server may be used; an unknown one is looked at first."""
        if identity != self._identity:
            await self.verify()
        return identity == self._identity

    def check(self) -> None:
        """Raise ``DependencyDown`` (STREAM_PROMISE_BROKEN) unless the promise holds."""
        if self._reasons:
            raise DependencyDown(
                BROKEN,
                "the stream server does not promise what is configured",
                wanted=self.wanted.value,
                problem="; ".join(self._reasons),
            )

    async def verify(self) -> None:
        """Look now. Raises ``DependencyDown`` when the server cannot be asked."""
        async with self._lock:
            facts = await self._read()
            if facts.identity != self._settled:
                self._reasons = ("another stream server is being looked at",)
                self._identity = facts.identity
                for compare in self._on_change:
                    await compare()
                self._settled = facts.identity
                self.changes += 1
            self._judge(facts)

    async def ready(self) -> bool:
        """Whether the promise holds; looks first if nobody did yet."""
        if not self._settled:
            with suppress(DependencyDown):
                await self.verify()
        return not self._reasons

    async def first_verified(self) -> bool:
        """Whether the promise has held once: who reads goes on when it breaks, a door does not."""
        self._held = self._held or await self.ready()
        return self._held

    async def run(self) -> None:
        """Look for ever; a worker of the service."""
        while True:
            try:
                await self.verify()
            except DependencyDown as error:
                _log.warning("stream_promise_unknown", reason=error.reason)
                await self._clock.sleep(self._look_every_s / 4)
                continue
            await self._clock.sleep(self._look_every_s)

    def _judge(self, facts: ServerFacts) -> None:
        reasons = shortfalls(facts, self.wanted, self._replicas)
        if reasons == self._reasons:
            return
        self._reasons = reasons
        if reasons:
            _log.error(
                "stream_promise_broken",
                wanted=self.wanted.value,
                reasons=reasons,
                change="the server's settings as the reasons say, or SIYU_STREAM_DURABILITY",
            )
        else:
            _log.info(
                "stream_promise_verified",
                durability=self.wanted.value,
                version=facts.info.get("redis_version", ""),
                replicas=facts.replicas,
            )
