"""What a caller no longer waits for stops: statements of the engine, and waiting for freshness."""

import asyncio
import time

import psutil
import pytest

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1.analytics_service_pb2_grpc import (
    AnalyticsServiceStub,
    add_AnalyticsServiceServicer_to_server,
)
from siyu.type.v1.result_key_pb2 import Freshness
from siyu_analytics.app.asking import Asking
from siyu_analytics.app.reconcile import Reconcile
from siyu_analytics.app.watermark import LiveWatermarks
from siyu_analytics.bootstrap import MIGRATIONS
from siyu_analytics.engine.chdb import ChdbEngine
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_analytics.store.ledger import SqlLedger
from siyu_analytics.store.person_map import EnginePersonMap
from siyu_analytics.store.progress import SqlProgress
from siyu_kit.clock import SystemClock
from siyu_kit.config import Secret
from siyu_kit.errors import DeadlineExceeded
from siyu_kit.rpc import Servicer, call
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.scope import Scope, enter_scope
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.testing.rpc import serve
from support.analytics_store import shared_engine
from support.fake_identity import refusal

HEAVY = "SELECT sum(sipHash64(number)) AS n FROM numbers(1000000000000)"
DEADLINE_S = 0.3
TIMES, SPARE = 50, 16


async def _quiet(engine: ChdbEngine, within_s: float) -> bool:
    """Whether no statement runs and the process's own work has ended."""
    own, deadline = psutil.Process(), time.monotonic() + within_s
    while time.monotonic() < deadline:
        before = sum(own.cpu_times()[:2])
        await asyncio.sleep(0.1)
        if engine.running == 0 and sum(own.cpu_times()[:2]) - before < 0.05:
            return True
    return False


@pytest.mark.alone  # it measures the work of the whole process
@pytest.mark.parametrize("given", [None, DEADLINE_S], ids=["killed", "limited"])
async def test_a_deadline_ends_the_statement_and_its_work(given):
    engine = await shared_engine()
    process, took = psutil.Process(), []
    deadline_s = DEADLINE_S if given is None else 10.0
    for turn in range(TIMES // 5 if given else TIMES):
        started = time.monotonic()
        with pytest.raises((TimeoutError, DeadlineExceeded)):
            async with asyncio.timeout(deadline_s if turn == 0 or given else 0.02):
                await engine.query(HEAVY, {}, timeout_s=given or 60)
        took.append(time.monotonic() - started)
        if turn == 0:
            assert await _quiet(engine, 2), "the work has stopped, not only the waiting"
            threads, memory = process.num_threads(), process.memory_info().rss
    # Not the slowest: a machine that others use too may stand still for a moment.
    assert sorted(took)[len(took) * 8 // 10] < DEADLINE_S + 0.2
    assert await _quiet(engine, 4)
    # Pools fill up to their bounds meanwhile; a thread for each statement would be many more.
    assert process.num_threads() <= threads + SPARE
    assert process.memory_info().rss < memory + 200_000_000
    assert (await engine.query("SELECT 1 AS n", {})).num_rows == 1


async def test_a_project_that_floods_the_engine_lets_another_in(monkeypatch):
    engine = await shared_engine()
    started: list[str] = []
    run = engine._client

    def told():
        started.append("x")
        return run()

    monkeypatch.setattr(engine, "_client", told)

    async def ask(project: str, sql: str) -> str:
        scope = Scope("m", 1, 1, sampled=False)
        scope.project = project
        enter_scope(scope)
        await engine.query(sql, {}, timeout_s=20)
        return project

    slow = "SELECT sleepEachRow(0.15) FROM numbers(1)"
    flood = [asyncio.create_task(ask("noisy", slow)) for _ in range(24)]
    await asyncio.sleep(0.05)
    quiet = asyncio.create_task(ask("quiet", "SELECT 1"))
    await quiet
    ended = sum(task.done() for task in flood)
    await asyncio.gather(*flood)
    assert ended <= 8, "it waited for the next free thread, not behind the whole flood"


@pytest.fixture
async def analytics(sqlite_url):
    """The service's own servicer over its own stores, at a real gRPC server."""
    await upgrade(sqlite_url, MIGRATIONS)
    database, clock = Database(sqlite_url), SystemClock()
    engine = await shared_engine()
    persons = EnginePersonMap(engine, clock)
    watermarks = LiveWatermarks(SqlProgress(database), persons, clock)
    key = Secret("k" * 40)
    reconcile = Reconcile(SqlLedger(database), MemoryStreamStore(), 1, clock)
    servicer = AnalyticsServicer(
        use_cases(Asking(engine, watermarks, persons, clock), watermarks, reconcile),
        CellTokens(key),
        PageTokens(key),
    )
    async with serve(Servicer(add_AnalyticsServiceServicer_to_server, servicer)) as served:
        yield AnalyticsServiceStub(served.channel("analyst"))
    await database.aclose()


@pytest.mark.parametrize("timeout_s", [1.0, 2.0])
async def test_a_freshness_that_does_not_come_is_told_before_the_caller_leaves(
    analytics, timeout_s
):
    request = pb.QueryEventsRequest(project_id="demo")
    request.event.event_name = "trade"
    request.scope.freshness.CopyFrom(Freshness(min_identity_sequence=1_000_000))
    started = time.monotonic()
    error = await refusal(call(analytics.QueryEvents, request, timeout_s=timeout_s))
    assert error.reason == "NOT_FRESH"
    assert error.metadata == {"what": "identity_sequence", "asked": "1000000", "reached": "0"}
    assert time.monotonic() - started > timeout_s / 2, "it was waited for"
