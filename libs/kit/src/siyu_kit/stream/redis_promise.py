"""What a Redis server's facts allow it to promise, and what is missing for a wanted promise."""

from typing import Final

from siyu_kit.stream.port import Durability, Promise
from siyu_kit.stream.redis_facts import ServerFacts

OLDEST: Final = (6, 2)
"""XTRIM MINID came with it."""


def promise_of(facts: ServerFacts, replicas: int = 0) -> Promise:
    """The most that the server can promise, with what keeps it from promising more.

    ``replicas`` is how many an append waits for.
    """
    missing = shortfalls(facts, Durability.DURABLE)
    if not missing:
        return Promise(Durability.DURABLE, (), replicas)
    if replicas and not shortfalls(facts, Durability.REPLICATED, replicas):
        return Promise(Durability.REPLICATED, missing, replicas)
    settings = facts.settings or {}
    lasts = settings.get("appendonly") == "yes" and settings.get("appendfsync") != "no"
    kept = lasts and not _evicting(settings)
    return Promise(Durability.RELAXED if kept else Durability.VOLATILE, missing, replicas)


def shortfalls(facts: ServerFacts, wanted: Durability, replicas: int = 0) -> tuple[str, ...]:
    """Why the server does not promise what is wanted, each with what to change; empty: it does."""
    reasons = _unusable(facts)
    if wanted in {Durability.DURABLE, Durability.REPLICATED}:
        reasons += _not_kept(facts)
    if wanted is Durability.DURABLE and facts.settings is not None:
        reasons += _not_synced(facts.settings)
    needed = max(replicas, 1 if wanted is Durability.REPLICATED else 0)
    if facts.replicas < needed:
        reasons.append(
            f"{facts.replicas} of {needed} replicas are online:"
            " connect replicas or lower SIYU_STREAM_REPLICAS"
        )
    return tuple(reasons)


def _unusable(facts: ServerFacts) -> list[str]:
    reasons = []
    if facts.version and facts.version < OLDEST:
        found = ".".join(map(str, facts.version))
        reasons.append(f"the server's version is {found}: 6.2 or newer is needed")
    if facts.info.get("role", "master") != "master":
        reasons.append("the server is a replica: SIYU_STREAM_URL must lead to the primary")
    return reasons


def _not_kept(facts: ServerFacts) -> list[str]:
    """What may make the server lose data although nothing crashed, or all of it at a restart."""
    if facts.settings is None:
        return ["CONFIG GET is refused, so nothing can be verified: allow it to this user"]
    reasons = []
    if facts.settings.get("appendonly") != "yes":
        reasons.append("appendonly is off: set appendonly yes")
    if _evicting(facts.settings):
        policy = facts.settings["maxmemory-policy"]
        reasons.append(
            f"maxmemory-policy {policy} may evict streams: set maxmemory-policy noeviction"
        )
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        status = facts.info.get(name, "ok")
        if status != "ok":
            reasons.append(f"{name} is {status}: look at the server's disk and log")
    return reasons


def _not_synced(settings: dict[str, str]) -> list[str]:
    reasons = []
    fsync = settings.get("appendfsync", "unknown")
    if fsync != "always":
        reasons.append(f"appendfsync is {fsync}: set appendfsync always")
    if settings.get("no-appendfsync-on-rewrite") == "yes":
        reasons.append(
            "no-appendfsync-on-rewrite is yes, so nothing is synced during a rewrite:"
            " set no-appendfsync-on-rewrite no"
        )
    return reasons


def _evicting(settings: dict[str, str]) -> bool:
    limited = settings.get("maxmemory", "0") != "0"
    return limited and settings.get("maxmemory-policy", "noeviction") != "noeviction"
