"""The stream of a service as its settings say: the store and the guard that watches it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from siyu_kit.clock import Clock
from siyu_kit.config import CommonConfig
from siyu_kit.errors import DependencyDown
from siyu_kit.stream import partitions
from siyu_kit.stream.guard import StreamGuard
from siyu_kit.stream.port import Durability
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.redis_errors import surfaced
from siyu_kit.stream.redis_facts import ServerFacts, read_facts

_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class GuardedStream:
    """``guard.run`` is a worker of the service, ``guard.ready`` part of its readiness."""

    store: RedisStreamStore
    guard: StreamGuard
    read: Callable[[], Awaitable[ServerFacts]]

    async def check_partitions(self) -> None:
        """Raise PartitionsDiffer if the server holds events in another number of partitions.

        Of a server that cannot be asked now nothing is known: the guard will ask it.
        """
        with suppress(DependencyDown):
            await self.read()


def open_stream(
    config: CommonConfig, clock: Clock, *, events: bool = False, door: bool = False
) -> GuardedStream:
    """Nothing is contacted before it is needed. Create it inside the running loop.

    Who reads or writes ``events`` agrees with the others on the number of partitions; a ``door``
    writes them, and sets it where none was.
    """
    url, wanted = config.stream_url.reveal(), Durability(config.stream_durability)

    async def read() -> ServerFacts:
        with surfaced():
            # Bounded here: with a socket timeout the client loses cancellations (see ``redis``).
            async with (
                asyncio.timeout(_TIMEOUT_S),
                Redis.from_url(
                    url, protocol=2, socket_connect_timeout=_TIMEOUT_S, socket_timeout=None
                ) as client,
            ):
                if events:
                    await partitions.agree(client, config.partitions, door=door)
                return await read_facts(client)

    guard = StreamGuard(read, wanted, clock, replicas=config.replicas_waited_for)
    store = RedisStreamStore(url, replicas=config.replicas_waited_for, admission=guard.admits)
    return GuardedStream(store, guard, read)
