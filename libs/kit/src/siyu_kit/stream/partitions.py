"""One number of partitions for all: what the doors spread events over is what the readers read.

A reader with fewer would never read the rest, one door with fewer would send an identifier's
events elsewhere. So the first door writes its number into the stream server, and every service
that has another one does not start.
"""

from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from siyu_kit.config import ConfigError
from siyu_kit.stream.topics import PARTITIONS_KEY

_SETTING: Final = "SIYU_PARTITIONS"


class PartitionsDiffer(ConfigError):
    """The stream server holds events in another number of partitions than is configured."""

    def __init__(self, own: int, held: str) -> None:
        problem = (
            f"{_SETTING}: is {own} here, but the events lie in {held} partitions"
            f" (key {PARTITIONS_KEY} of the stream server); see docs/durability.md"
        )
        super().__init__([problem])
        self.own = own
        self.held = held


async def agree(client: Redis, own: int, *, door: bool) -> None:
    """Raise PartitionsDiffer if the server holds another number; a door sets the first one.

    Asked on every look at the server: one that lost its data, or that a reader met before any
    door, holds none. A server that takes no writes now is asked again at the next look.
    """
    held: Any = await client.get(PARTITIONS_KEY)
    if held is None and door:
        with suppress(ResponseError):
            await client.set(PARTITIONS_KEY, own, nx=True)
            held = await client.get(PARTITIONS_KEY)
    if held is not None and held != str(own).encode():
        raise PartitionsDiffer(own, held.decode("ascii", "replace"))
