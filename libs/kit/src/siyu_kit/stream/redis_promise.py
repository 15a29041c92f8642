"""What a Redis server's settings allow it to promise."""

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from siyu_kit.stream.port import Durability, Promise


async def read_promise(client: Redis, replicas: int) -> Promise:
    """Read the settings; a server that does not tell them is believed to promise nothing."""
    settings: dict[str, str] = {}
    try:
        for name in ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy"):
            reply = await client.execute_command("CONFIG", "GET", name)  # type: ignore[no-untyped-call]
            settings |= _pairs(reply)
    except ResponseError as error:
        return Promise(Durability.VOLATILE, (f"settings not readable: {error}",), replicas)
    return judge(settings, replicas)


def judge(settings: dict[str, str], replicas: int) -> Promise:
    """The promise these settings carry, with every reason that weakens it."""
    reasons = []
    evicts = settings.get("maxmemory", "0") != "0" and (
        settings.get("maxmemory-policy", "noeviction") != "noeviction"
    )
    if evicts:
        reasons.append(f"maxmemory-policy {settings['maxmemory-policy']} may evict streams")
    if settings.get("appendonly") != "yes":
        reasons.append("appendonly is off")
    if reasons:
        return Promise(Durability.VOLATILE, tuple(reasons), replicas)
    fsync = settings.get("appendfsync", "unknown")
    if fsync == "always":
        return Promise(Durability.DURABLE, (), replicas)
    return Promise(
        Durability.RELAXED if fsync == "everysec" else Durability.VOLATILE,
        (f"appendfsync is {fsync}",),
        replicas,
    )


def _pairs(reply: Any) -> dict[str, str]:
    flat = [part.decode() for part in reply]
    return dict(zip(flat[::2], flat[1::2], strict=True))
