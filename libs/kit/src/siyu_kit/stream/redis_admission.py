"""A new connection must lead to the server that was verified.

A server that restarted or was promoted may lack what the one before it had acknowledged. Such a
change always breaks connections, so it is noticed where a new one is made, before anything is
written to a server that nobody has looked at.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from siyu_kit.config import ConfigError
from siyu_kit.errors import DependencyDown
from siyu_kit.stream.redis_facts import ServerFacts, parsed

Admission = Callable[[str], Awaitable[bool]]
"""Whether the server of this identity (``ServerFacts.identity``) may be used now."""


def admitting(admission: Admission) -> Callable[[Any], Awaitable[None]]:
    """The hook of the client library that prepares a connection."""

    async def prepare(connection: Any) -> None:
        await connection.on_connect()
        info: dict[str, str] = {}
        for section in ("server", "replication"):
            await connection.send_command("INFO", section)
            info |= parsed(await connection.read_response())
        try:
            admitted = await admission(ServerFacts(info, None).identity)
        except (DependencyDown, ConfigError) as error:
            raise RedisConnectionError("the stream server cannot be verified") from error
        if not admitted:
            raise RedisConnectionError("the stream server is another than the one verified")

    return prepare
