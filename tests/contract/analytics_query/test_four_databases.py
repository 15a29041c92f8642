"""What a cluster would answer: the same questions of one database and of four, as partial states.

The engine takes its own address four times for the servers of a cluster. Each slice of the events,
by their identifier's number as on a cluster, lies in a database of its own and is read, filtered
and aggregated as a shard's is; the states are then merged. What that leaves out: the network, and
servers of which each knows only its part.
"""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from siyu_analytics.engine.chdb import ChdbEngine, Limits
from support.analytics_questions import NOW_MS, Event, Questions, Trait, World
from support.analytics_store import engine_beside
from support.every_question import every_question

SHARDS = 4
SERVERS = ",".join(["127.0.0.1"] * SHARDS)
WORLDS = pytest.mark.parametrize(
    "count", [2, pytest.param(16, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
"""Projects, each with thirteen questions: 208 in the slow tier."""
IDENTS = 40
HOUR_MS = 3_600_000
FROM_MS = NOW_MS - 20 * 24 * HOUR_MS
NAMES = ("launch", "view", "view", "click", "search", "deposit", "trade")


def world_of(rng: random.Random) -> World:
    """Events of identifiers, of which every third is of the person of another shard's."""
    person_of = {no: no - 1 if no % 3 == 0 else no for no in range(1, IDENTS + 1)}
    events = [
        Event(
            rng.randint(1, IDENTS),
            rng.choice(NAMES),
            rng.randrange(FROM_MS, NOW_MS, HOUR_MS // 4),
            f"m{place}",
            {"channel": rng.choice(("app", "web", 7.5)), "amount": rng.randint(0, 99) / 4},
        )
        for place in range(rng.randint(0, 600))
    ]
    people = sorted(set(person_of.values()))
    cities = [Trait(no, "city", rng.choice(("沪", "京"))) for no in people[::2]]
    return World(events, person_of, [*cities, *(Trait(no, "age", no * 1.5) for no in people)])


@pytest_asyncio.fixture
async def four(questions: Questions) -> AsyncIterator[ChdbEngine]:
    """An engine whose table ``events`` is distributed over four databases; filled by the test."""
    engine = await engine_beside(Limits(threads=1, timeout_s=60), "four")
    names = [f"shard_{number}" for number in range(1, SHARDS + 1)]
    try:
        for name in (*names, "four"):
            await engine.command(f"CREATE DATABASE {name}")
        for name in names:
            await engine.command(f"CREATE TABLE {name}.events AS default.events")
        slices = " UNION ALL ".join(
            f"SELECT * FROM {name}.events WHERE shardNum() = {number}"
            for number, name in enumerate(names, start=1)
        )
        await engine.command(f"CREATE VIEW four.slice AS {slices}")
        await engine.command(f"CREATE TABLE four.events AS remote('{SERVERS}', four, slice)")
        for table in ("person", "person_map", "trait"):
            await engine.command(f"CREATE VIEW four.{table} AS SELECT * FROM default.{table}")
        await engine.command("USE four")
        yield engine
    finally:
        for name in ("four", *names):
            await engine.command(f"DROP DATABASE IF EXISTS {name}")
        await engine.aclose()


async def digests(questions: Questions, worlds: list[World]) -> dict[tuple[int, str], str]:
    """Of each world and model the digest of what is answered."""
    found = {}
    for place, world in enumerate(worlds):
        for model, (method, request) in every_question(questions.rpc).items():
            request.project_id = world.project
            request.scope.from_time_ms, request.scope.to_time_ms = FROM_MS, NOW_MS
            request.scope.as_of_time_ms = NOW_MS
            answer = await method(request, None)
            found[place, model] = answer.key.result_digest
    return found


@WORLDS
async def test_four_databases_answer_as_one(
    questions: Questions, four: ChdbEngine, count: int
) -> None:
    rng = random.Random(6)
    worlds = [world_of(rng) for _ in range(count)]
    await questions.load(worlds)
    projects = ", ".join(f"'{world.project}'" for world in worlds)
    for number in range(1, SHARDS + 1):
        await four.command(
            f"INSERT INTO shard_{number}.events SELECT * FROM default.events"
            f" WHERE project_id IN ({projects}) AND ident_no % {SHARDS} = {number - 1}"
        )
    of_one = await digests(questions, worlds)
    spread = Questions(four, persons=questions.persons)
    assert await digests(spread, worlds) == of_one
    assert len(of_one) == 13 * count
    assert len(set(of_one.values())) > 10 * count

    plan = await four.query(
        "EXPLAIN SELECT name, uniqExact(ident_no) FROM events GROUP BY name", {}
    )
    assert any("MergingAggregated" in line for line in plan.column("explain").to_pylist())
    # A part that is missing shows: the answers were not of the one table after all.
    await four.command("TRUNCATE TABLE shard_3.events")
    assert await digests(spread, worlds[:1]) != {k: v for k, v in of_one.items() if k[0] == 0}
