"""What a Redis server says about itself: the facts that its promise rests on."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

_SECTIONS = ("server", "persistence", "replication")
_SETTINGS = (
    "appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory", "maxmemory-policy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """``settings`` is None when the server does not tell them."""

    info: dict[str, str]
    settings: dict[str, str] | None

    @property
    def identity(self) -> str:
        """Of this run of the server and this history of its data: both change what is there."""
        return f"{self.info.get('run_id', '')}:{self.info.get('master_replid', '')}"

    @property
    def version(self) -> tuple[int, ...]:
        """Of the server, or of the Redis that it is compatible with; empty when it tells none."""
        parts = self.info.get("redis_version", "").split(".")
        return tuple(int(part) for part in parts if part.isdecimal())

    @property
    def replicas(self) -> int:
        """Replicas that are connected and in step."""
        slaves = (value for name, value in self.info.items() if _is_replica(name))
        return sum("state=online" in value for value in slaves)


async def read_facts(client: Redis) -> ServerFacts:
    """Ask the server."""
    info: dict[str, str] = {}
    for section in _SECTIONS:
        info |= parsed(await client.execute_command("INFO", section))  # type: ignore[no-untyped-call]
    settings: dict[str, str] = {}
    try:
        for name in _SETTINGS:
            reply = await client.execute_command("CONFIG", "GET", name)  # type: ignore[no-untyped-call]
            settings |= _pairs(reply)
    except ResponseError:
        return ServerFacts(info, None)
    return ServerFacts(info, settings)


def parsed(reply: Any) -> dict[str, str]:
    """The lines of INFO; the client gives a mapping or the text."""
    if isinstance(reply, dict):
        return {_text(name): _text(value) for name, value in reply.items()}
    pairs = (line.partition(":") for line in _text(reply).splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def _is_replica(name: str) -> bool:
    return name.startswith("slave") and name.removeprefix("slave").isdecimal()


def _pairs(reply: Any) -> dict[str, str]:
    if isinstance(reply, dict):
        return {_text(name): _text(value) for name, value in reply.items()}
    flat = [_text(part) for part in reply]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):  # INFO's "slave0:ip=...,state=online", as the client reads it
        return ",".join(f"{_text(name)}={_text(part)}" for name, part in value.items())
    return str(value)
