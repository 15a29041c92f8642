"""What bounds a question on the real engine: it stops, is refused, or waits for its like alone."""

import asyncio
import time
from uuid import uuid4

import pyarrow as pa
import pytest

from siyu_analytics.domain.cost import CostBounds
from siyu_analytics.engine.chdb import Limits
from siyu_kit.errors import DeadlineExceeded, QuotaExceeded
from support.analytics_store import engine_beside, shared_engine

# Values are bound as in every question: binding writes the text anew.
ENDLESS = "SELECT sum(sipHash64(number, {salt:String})) AS n FROM numbers(1000000000000)"
SLEEPY = "SELECT sum(sleepEachRow(0.0001)) AS n FROM events WHERE project_id = {project:String}"
GREEDY = "SELECT groupArray(number) AS n FROM numbers(100000000)"
COUNT = "SELECT count() AS n, sum(ident_no) AS s FROM events WHERE project_id = {project:String}"
ROWS = 10_000
FILL = """
INSERT INTO events (project_id, name, ident_no, time, message_id, received_time, batch_no)
SELECT {project:String}, 'view', toUInt32(number + 1), toDateTime64(1700000000, 3, 'UTC'),
  toString(number), toDateTime64(1700000000, 3, 'UTC'), 1
 FROM numbers({rows:UInt64})
"""


def mark() -> str:
    return uuid4().hex


async def marks_running(engine) -> set[str]:
    rows = await engine.query("SELECT Settings['log_comment'] AS mark FROM system.processes", {})
    return set(rows.column("mark").to_pylist())


async def until(holds, within_s: float) -> float:
    """Seconds until it holds."""
    started = time.monotonic()
    while not await holds():
        assert time.monotonic() - started < within_s
        await asyncio.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
async def project():
    """A project of so many rows."""
    engine, name = await shared_engine(), f"lim{uuid4().hex[:8]}"
    await engine.command(FILL, {"project": name, "rows": ROWS})
    return name


@pytest.fixture
async def limited():
    """Opens engines on the same tables; closes them."""
    opened = []

    async def open_(**limits):
        opened.append(await engine_beside(Limits(**{"threads": 1, **limits})))
        return opened[-1]

    yield open_
    for engine in opened:
        await engine.aclose()


async def test_a_cancelled_question_leaves_the_engine_and_frees_its_place(limited):
    engine, other, name = await limited(), await shared_engine(), mark()
    task = asyncio.create_task(engine.query(ENDLESS, {"salt": "x"}, mark=name))

    async def runs():
        return name in await marks_running(other)

    async def gone():
        return engine.running == 0 and not await runs()

    await until(runs, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await until(gone, 5) < 1.5
    assert (await engine.query("SELECT 1 AS n", {}, mark=mark())).num_rows == 1


async def test_a_question_out_of_time_says_so_and_leaves_the_engine(limited):
    engine, name = await limited(), mark()
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await engine.query(ENDLESS, {"salt": "x"}, mark=name, timeout_s=0.3)
    assert time.monotonic() - started < 2
    assert name not in await marks_running(engine)


async def test_an_answer_has_nothing_of_a_question_that_broke_off(limited):
    engine = await limited()
    broken = "SELECT throwIf(number = 500000) AS secret FROM numbers(1000000)"
    for limit_s in (5, 5, 7):
        with pytest.raises(Exception, match="throwIf"):
            await engine.query(broken, {}, mark=mark(), timeout_s=limit_s)
        found = await engine.query("SELECT 1 AS n", {}, mark=mark(), timeout_s=limit_s)
        assert found.to_pylist() == [{"n": 1}]


async def test_a_question_that_needs_too_much_memory_is_refused_and_the_engine_lives_on(limited):
    engine = await limited(query_memory=50_000_000)
    with pytest.raises(QuotaExceeded) as refused:
        await engine.query(
            "SELECT groupArray(number) AS n FROM numbers(100000000)", {}, mark=mark()
        )
    assert refused.value.reason == "QUERY_TOO_LARGE"
    assert (await engine.query("SELECT 1 AS n", {}, mark=mark())).num_rows == 1


async def test_a_question_that_would_read_too_much_is_refused_before_it_reads(limited, project):
    engine = await limited(cost=CostBounds(light_rows=1_000, most_rows=5_000))
    slow = SLEEPY.replace("0.0001", "0.0003")
    started = time.monotonic()
    with pytest.raises(QuotaExceeded) as refused:
        await engine.query(slow, {"project": project}, mark=mark())
    assert time.monotonic() - started < 2, "reading it would take three seconds"
    assert refused.value.reason == "QUERY_TOO_COSTLY"
    assert refused.value.metadata["limit"] == "5000"
    assert ROWS <= int(refused.value.metadata["rows"]) < 2 * ROWS + 8192
    assert engine.running == 0


async def test_within_the_bounds_the_answer_is_the_same(limited, project):
    bounds = (CostBounds(), CostBounds(100, 0), CostBounds(0, 10**6), CostBounds(10**6, 10**6))
    for cost in bounds:
        engine = await limited(cost=cost)
        found = await engine.query(COUNT, {"project": project}, mark=mark())
        assert found.to_pylist() == [{"n": ROWS, "s": ROWS * (ROWS + 1) // 2}]
        await engine.aclose()


async def test_a_question_found_heavy_while_it_reads_is_answered_whole(limited, project):
    """Each table is light by itself, and rows are on their way when the engine has added up."""
    one = "SELECT ident_no AS n FROM events WHERE project_id = {project:String}"
    both = f"SELECT n FROM ({one} UNION ALL {one})"
    engine = await limited(cost=CostBounds(light_rows=ROWS * 3 // 2))
    for _ in range(3):
        found = await engine.query(both, {"project": project}, mark=mark())
        assert sorted(found.column("n").to_pylist()) == sorted([*range(1, ROWS + 1)] * 2)
    refusing = await limited(cost=CostBounds(ROWS * 3 // 2, ROWS * 7 // 4))
    with pytest.raises(QuotaExceeded) as refused:
        await refusing.query(both, {"project": project}, mark=mark())
    assert int(refused.value.metadata["rows"]) >= 2 * ROWS


async def test_a_light_question_never_waits_for_heavy_ones(limited, project):
    engine = await limited(heavy=1, cost=CostBounds(light_rows=5_000))
    ended: list[str] = []

    async def ask(kind, sql):
        await engine.query(sql, {"project": project}, mark=mark())
        ended.append(kind)

    heavy = [asyncio.create_task(ask("heavy", SLEEPY)) for _ in range(3)]

    async def weighed():
        return engine._heavy.slots.waiting == 2

    await until(weighed, 5)
    assert engine._heavy.slots.running == 1
    assert engine._ordinary.slots.running == 0, "what waits for a heavy place holds no other"
    light = "SELECT count() AS n FROM events WHERE project_id = {project:String} AND name = 'none'"
    await asyncio.gather(*(ask("light", light) for _ in range(5)))
    assert ended.count("heavy") <= 1
    await asyncio.gather(*heavy)
    assert sorted(ended) == ["heavy"] * 3 + ["light"] * 5


async def test_a_heavy_question_that_is_given_up_in_the_queue_never_runs(limited, project):
    engine = await limited(heavy=1, cost=CostBounds(light_rows=5_000))
    first = asyncio.create_task(engine.query(SLEEPY, {"project": project}, mark=mark()))

    async def runs():
        return engine._heavy.slots.running == 1

    await until(runs, 5)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await engine.query(SLEEPY, {"project": project}, mark=mark())
    assert (engine._heavy.slots.running, engine._heavy.slots.waiting) == (1, 0)
    assert isinstance(await first, pa.Table)


async def test_the_sink_s_engine_does_not_wait_for_questions(limited, project):
    questions, sink = await limited(), await shared_engine()
    asked = [
        asyncio.create_task(questions.query(ENDLESS, {"salt": "x"}, mark=mark())) for _ in range(4)
    ]

    async def runs():
        return questions.admitted == 4 and bool(await questions.progress())

    await until(runs, 5)
    async with asyncio.timeout(5):
        await sink.command(FILL, {"project": project, "rows": ROWS})
        found = await sink.query(COUNT, {"project": project})
    assert found.column("n").to_pylist() == [2 * ROWS]
    for task in asked:
        task.cancel()
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)


async def test_the_engine_tells_how_far_its_questions_are(limited):
    engine, name = await limited(), mark()
    task = asyncio.create_task(engine.query(ENDLESS, {"salt": "x"}, mark=name))

    async def seen():
        reading = (await engine.progress()).get(name)
        return reading is not None and reading.rows > 0

    await until(seen, 5)
    reading = (await engine.progress())[name]
    assert reading.rows_total == 1_000_000_000_000
    assert reading.size > 0 < reading.elapsed_s
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
