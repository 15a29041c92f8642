"""Answers are kept under what they are a function of, within bounds, and asked for once."""

import asyncio

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_analytics.app.result_cache import ResultCache
from siyu_kit.errors import DeadlineExceeded, DependencyDown


class Engine:
    """Answers with the values it was asked with, when it is let."""

    def __init__(self, *, held=False):
        self.asked = []
        self.stopped = 0
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    def ask(self, sql, parameters, error=None):
        async def run():
            self.asked.append((sql, dict(parameters)))
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.stopped += 1
                raise
            if error is not None:
                raise error
            return pa.table({"sql": [sql], "values": [repr(sorted(parameters.items()))]})

        return run


async def got(cache, engine, sql="SELECT 1", error=None, **parameters):
    table = await cache.get(sql, parameters, engine.ask(sql, parameters, error))
    return table.to_pylist()[0]["values"]


async def test_an_answer_is_asked_for_once():
    cache, engine = ResultCache(1_000_000), Engine()
    first = await got(cache, engine, project_id="a", batch_no=1, p0=["x"])
    assert await got(cache, engine, batch_no=1, p0=["x"], project_id="a") == first
    assert (cache.misses, cache.hits, len(engine.asked)) == (1, 1, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"project_id": "b", "batch_no": 1, "p0": 1},
        {"project_id": "a", "batch_no": 2, "p0": 1},
        {"project_id": "a", "batch_no": 1, "p0": 1.0},
        {"project_id": "a", "batch_no": 1, "p0": True},
        {"project_id": "a", "batch_no": 1, "p0": "1"},
        {"project_id": "a", "batch_no": 1},
    ],
)
async def test_another_value_is_another_question(other):
    cache, engine = ResultCache(1_000_000), Engine()
    first = await got(cache, engine, project_id="a", batch_no=1, p0=1)
    assert await got(cache, engine, **other) != first
    assert (cache.misses, cache.hits) == (2, 0)


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(0, 60_000))
def test_it_stays_within_its_bytes_and_is_never_wrong(asked, most):
    async def run():
        cache, engine = ResultCache(most), Engine()
        for number in asked:
            sql = f"SELECT {number}"
            assert await got(cache, engine, sql, p0=number) == repr([("p0", number)])
            assert cache.kept.size <= most
        assert cache.hits + cache.misses == len(asked)
        if not most:
            assert cache.hits == 0

    asyncio.run(run())


async def test_what_was_asked_longest_ago_goes_first():
    cache, engine = ResultCache(20_000), Engine()
    one = pa.table({"x": [b"x" * 1_000]})

    async def ask():
        return one

    for number in range(5):
        await cache.get(f"{number}", {}, ask)
        await cache.get("0", {}, ask)
    kept = cache.hits
    for number in range(100):
        await cache.get(f"more {number}", {}, ask)
        await cache.get("0", {}, ask)
    assert cache.hits == kept + 100
    before = cache.misses
    await got(cache, engine, "1")
    assert cache.misses == before + 1


async def test_equal_questions_at_once_run_once():
    cache, engine = ResultCache(), Engine(held=True)
    waiting = [asyncio.create_task(got(cache, engine, p0=1)) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    engine.go.set()
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert (len(engine.asked), cache.joined) == (1, 4)


async def test_who_leaves_leaves_the_others_theirs_and_the_last_one_stops_it():
    cache, engine = ResultCache(), Engine(held=True)
    one, two, three = (asyncio.create_task(got(cache, engine, p0=1)) for _ in range(3))
    await asyncio.sleep(0.01)
    one.cancel()  # the one that began it
    two.cancel()
    await asyncio.gather(one, two, return_exceptions=True)
    assert engine.stopped == 0
    engine.go.set()
    assert await three == repr([("p0", 1)])

    engine = Engine(held=True)
    alone = asyncio.create_task(got(cache, engine, p0=2))
    await asyncio.sleep(0.01)
    alone.cancel()
    await asyncio.gather(alone, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert engine.stopped == 1
    again = asyncio.create_task(got(cache, engine, p0=2))
    await asyncio.sleep(0.01)
    engine.go.set()
    await again
    assert len(engine.asked) == 2


async def test_a_failure_is_the_callers_own():
    """Who joined one that runs out of its time asks for itself; an error is not kept."""
    cache, engine = ResultCache(1_000_000), Engine(held=True)
    late = DeadlineExceeded("DEADLINE_EXCEEDED", "no time is left", method="query")
    first = asyncio.create_task(got(cache, engine, p0=1, error=late))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(got(cache, engine, p0=1)) for _ in range(3)]
    await asyncio.sleep(0.01)
    engine.go.set()
    with pytest.raises(DeadlineExceeded):
        await first
    assert set(await asyncio.gather(*others)) == {repr([("p0", 1)])}
    assert len(engine.asked) == 2

    down = DependencyDown("DEPENDENCY_DOWN", "gone", dependency="event store")
    with pytest.raises(DependencyDown):
        await got(cache, engine, p0=3, error=down)
    assert await got(cache, engine, p0=3) == repr([("p0", 3)])
