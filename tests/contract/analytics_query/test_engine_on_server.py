"""The engine port over HTTP, against a stand-in of a ClickHouse server: what is sent, what is said.

No real server has run any of it.
"""

import asyncio
import re
import time

import pyarrow as pa
import pytest

from siyu_analytics.domain.cost import CostBounds
from siyu_analytics.engine.address import server_of
from siyu_analytics.engine.pooled import Limits
from siyu_analytics.engine.server import ServerEngine
from siyu_kit.config import Secret
from siyu_kit.errors import DeadlineExceeded, DependencyDown, InvalidInput, QuotaExceeded
from support.clickhouse_stub import ClickHouseStub, Failure, serving

pytestmark = pytest.mark.loopback
ONE = pa.table({"n": [1]})
MARK = "a1b2c3"


@pytest.fixture
async def connect():
    """Opens an engine on a stand-in that answers as told; closes both."""
    opened = []

    async def open_(answer, url=None, **limits):
        context = serving(ClickHouseStub(answer))
        stub = context.__enter__()
        address = Secret(url(stub) if url else stub.url)
        engine = ServerEngine(server_of(address), Limits(**{"threads": 2, **limits}))
        opened.append((context, engine))
        return engine, stub

    yield open_
    for context, engine in opened:
        await engine.aclose()
        context.__exit__(None, None, None)


def sent(stub, word):
    return [request for request in stub.requests if word in request.query]


async def test_values_settings_and_mark_travel_with_a_question(connect):
    engine, stub = await connect(lambda _: ONE, query_memory=123_000)
    text = "SELECT {p0:String} AS n"
    answer = await engine.query(text, {"p0": "it's; DROP"}, timeout_s=5, mark=MARK)
    assert answer.to_pylist() == [{"n": 1}]
    (request,) = sent(stub, "p0")
    assert request.query.startswith(text)
    assert f"log_comment = '{MARK}'" in request.query
    assert re.search(r"max_execution_time = (4\.\d|5\.0)\b", request.query)
    assert request.query.endswith("FORMAT ArrowStream")
    assert request.options["param_p0"] == "it\\'s; DROP"
    assert request.options["max_memory_usage"] == "123000"
    assert request.options["priority"] == "1"
    assert request.options["database"] == "events"
    assert request.options["query_id"]
    assert "session_id" not in request.options


async def test_a_heavy_question_is_weighed_estimated_and_stands_back(connect):
    def answer(request):
        if request.query.startswith("EXPLAIN ESTIMATE"):
            return pa.table({"table": ["events", "trait"], "rows": [900, 50]})
        if "max_rows_to_read = 100" in request.query:
            return Failure(158, "TOO_MANY_ROWS")
        return ONE

    engine, stub = await connect(answer, cost=CostBounds(100, 0))
    assert (await engine.query("SELECT heavy", {}, mark=MARK)).num_rows == 1
    first, estimate, second = sent(stub, "SELECT heavy")
    assert "max_rows_to_read = 100" in first.query
    assert "max_rows_to_read" not in estimate.query
    assert "priority = 2" in second.query
    refusing, stub = await connect(answer, cost=CostBounds(100, 949))
    with pytest.raises(QuotaExceeded) as refused:
        await refusing.query("SELECT heavy", {}, mark=MARK)
    assert refused.value.reason == "QUERY_TOO_COSTLY"
    assert refused.value.metadata == {"rows": "950", "limit": "949"}
    assert len(sent(stub, "SELECT heavy")) == 2, "it never ran"


async def test_a_cancelled_question_is_killed_by_its_mark(connect):
    stub = None

    def answer(request):
        return b"" if request.query.startswith("KILL") else stub.sleep_until_killed()

    engine, stub = await connect(answer)
    task = asyncio.create_task(engine.query("SELECT endless", {}, mark=MARK))
    while not sent(stub, "endless"):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    until = time.monotonic() + 5
    while engine.running:
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    assert sent(stub, "KILL")[0].query.startswith(
        f"KILL QUERY WHERE Settings['log_comment'] = '{MARK}'"
    )


@pytest.mark.parametrize(
    ("failure", "kind", "reason"),
    [
        (Failure(159, "TIMEOUT_EXCEEDED"), DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Failure(394, "QUERY_WAS_CANCELLED"), DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Failure(241, "MEMORY_LIMIT_EXCEEDED"), QuotaExceeded, "QUERY_TOO_LARGE"),
        (Failure(243, "NOT_ENOUGH_SPACE"), DependencyDown, "DEPENDENCY_DOWN"),
    ],
)
async def test_the_server_s_errors_are_those_of_the_port(connect, failure, kind, reason):
    engine, _ = await connect(lambda _: failure)
    with pytest.raises(kind) as raised:
        await engine.query("SELECT x", {}, mark=MARK)
    assert raised.value.reason == reason


async def test_a_server_that_is_away_is_a_dependency_that_is_down(connect):
    engine, _ = await connect(lambda _: ONE, url=lambda _: "http://127.0.0.1:9")
    with pytest.raises(DependencyDown) as raised:
        await engine.query("SELECT 1 AS n", {})
    assert raised.value.metadata["dependency"] == "event store"


async def test_a_wrong_password_reaches_nothing_and_is_not_told(connect):
    engine, stub = await connect(
        lambda _: ONE, url=lambda stub: f"http://siyu:hidden@127.0.0.1:{stub.port}"
    )
    with pytest.raises(Exception, match="516") as raised:
        await engine.query("SELECT 1 AS n", {})
    assert "hidden" not in str(raised.value)
    assert stub.requests == []


async def test_rows_are_inserted_under_their_token(connect):
    engine, stub = await connect(lambda _: b"")
    await engine.insert_arrow("person", pa.table({"person_no": [1, 2]}), token="batch-1")
    (request,) = sent(stub, "INSERT INTO person")
    assert request.options["insert_deduplication_token"] == "batch-1"
    assert request.query.endswith("FORMAT ArrowStream")
    assert pa.ipc.open_stream(request.body).read_all().column("person_no").to_pylist() == [1, 2]


async def test_an_envelope_that_the_server_cannot_read_is_bad_input(connect):
    engine, stub = await connect(lambda _: Failure(444, "UNKNOWN_PROTOBUF_FORMAT"))
    with pytest.raises(InvalidInput) as raised:
        await engine.insert_protobuf("stage", b"\x01", "syntax")
    assert raised.value.reason == "UNREADABLE_PAYLOAD"
    (request,) = sent(stub, "INSERT INTO stage")
    assert request.options["format_schema"] == "syntax"


async def test_the_server_tells_how_far_its_questions_are(connect):
    rows = pa.table(
        {
            "mark": [MARK],
            "read_rows": [5],
            "total_rows_approx": [10],
            "read_bytes": [50],
            "elapsed": [0.5],
        }
    )
    engine, _ = await connect(lambda _: rows)
    reading = (await engine.progress())[MARK]
    assert (reading.rows, reading.rows_total, reading.size, reading.elapsed_s) == (5, 10, 50, 0.5)
