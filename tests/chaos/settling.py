"""How far every reader and relay is, and waiting until nothing is left to do."""

import asyncio
import time
from typing import Final

from sqlalchemy import func, select

from chaos.world import World
from siyu_client.platform.services import PARTITIONS
from siyu_kit.errors import DependencyDown
from siyu_kit.sql.engine import Database
from siyu_kit.sql.tables import feed, outbox, position
from siyu_kit.stream.port import START, is_before
from siyu_kit.stream.topics import EVENTS, IDENTITY, PROFILE, SEGMENT, TOUCH
from support.tree import WITH_DATABASE

READS: Final = {
    "identity": (EVENTS.name,),
    "profile": (EVENTS.name, IDENTITY.name),
    "analytics": (EVENTS.name, IDENTITY.name, PROFILE.name),
}
"""Topics of each reader."""
FEEDS: Final = {"identity": IDENTITY, "profile": PROFILE, "segment": SEGMENT, "touch": TOUCH}
"""The feed that each service's relay publishes."""
Place = tuple[str, int]
"""Topic and partition."""


async def tails(world: World) -> dict[Place, str]:
    """The last id of every stream."""
    found: dict[Place, str] = {}
    for topic in (EVENTS.name, IDENTITY.name, PROFILE.name):
        for partition in range(PARTITIONS if topic == EVENTS.name else 1):
            found[topic, partition] = await world.stream.tail(topic, partition)
    return found


async def positions(store: Database) -> dict[Place, str]:
    """Where a service's readers are, as committed."""
    c = position.c
    async with store.session() as session:
        rows = await session.execute(select(c.topic, c.partition, c.position))
        return {(row.topic, row.partition): row.position for row in rows}


async def behind(world: World, name: str, goal: dict[Place, str]) -> str:
    """The first thing in which a service is behind; empty when it has caught up."""
    if name not in WITH_DATABASE:
        return ""
    at = await positions(world.stores[name])
    for (topic, partition), tail in goal.items():
        if topic in READS.get(name, ()) and is_before(at.get((topic, partition), START), tail):
            return f"{name} reads {topic} {partition} at {at.get((topic, partition))} of {tail}"
    if name in FEEDS and (left := await unpublished(world.stores[name], FEEDS[name].name)):
        return f"{name} has {left} rows of its feed to publish"
    return ""


async def unpublished(store: Database, topic: str) -> int:
    """Outbox rows without a number, and numbers not yet published."""
    async with store.session() as session:
        waiting = await session.scalar(
            select(func.count()).where(outbox.c.topic == topic, outbox.c.sequence.is_(None))
        )
        row = (
            await session.execute(
                select(feed.c.sequence, feed.c.published).where(feed.c.topic == topic)
            )
        ).first()
    return int(waiting or 0) + (row.sequence - row.published if row else 0)


async def caught_up(world: World, name: str, within_s: float) -> float:
    """Wait until a service is as far as the streams are now; the seconds that took."""
    started = time.monotonic()
    goal = await _goal(world)
    while left := await _behind(world, name, goal):
        if time.monotonic() - started > within_s:
            raise AssertionError(f"not caught up in {within_s:.0f} s: {left}\n{world.tail(name)}")
        await asyncio.sleep(0.05)
    return time.monotonic() - started


async def settled(world: World, within_s: float = 120.0) -> None:
    """Wait, with the load held, until nothing moves any more."""
    deadline = time.monotonic() + within_s
    quiet = 0
    before: dict[Place, str] = {}
    while quiet < 3:
        goal = await _goal(world)
        lefts = [left for name in WITH_DATABASE if (left := await _behind(world, name, goal))]
        quiet = quiet + 1 if not lefts and goal == before else 0
        before = goal
        if time.monotonic() > deadline:
            names = {left.split()[0] for left in lefts}
            logs = "\n".join(world.tail(name) for name in names)
            raise AssertionError(f"does not settle: {lefts}\n{logs}")
        await asyncio.sleep(0.2)


async def _goal(world: World) -> dict[Place, str]:
    while True:
        try:
            return await tails(world)
        except DependencyDown:
            await asyncio.sleep(0.1)


async def _behind(world: World, name: str, goal: dict[Place, str]) -> str:
    try:
        return await behind(world, name, goal)
    except DependencyDown as error:
        return f"{name}: its database is away ({error.message})"
