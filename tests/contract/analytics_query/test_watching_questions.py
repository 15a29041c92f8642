"""A question over real gRPC: how far it is, and that it stops when its caller leaves."""

import asyncio
import time
from uuid import uuid4

import grpc
import pytest

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import progress_pb2
from siyu.analytics.v1.analytics_service_pb2_grpc import (
    AnalyticsServiceStub,
    add_AnalyticsServiceServicer_to_server,
)
from siyu_analytics.app import watch_query
from siyu_analytics.app.asking import Asking
from siyu_analytics.app.underway import KEPT, Underway
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_kit.clock import SystemClock
from siyu_kit.errors import InvalidInput, NotFound
from siyu_kit.rpc import Servicer, call, stream
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.scope import REQUEST_ID_KEY, Scope, enter_scope, leave_scope
from siyu_kit.testing.rpc import serve, token
from support.analytics_questions import GivenPersons, GivenWatermarks
from support.analytics_store import shared_engine

ENDLESS = "SELECT sum(sipHash64(number, {project_id:String})) AS n FROM numbers(1000000000000)"
RUNNING, QUEUED = progress_pb2.QUERY_STATE_RUNNING, progress_pb2.QUERY_STATE_QUEUED
DONE, STOPPED = progress_pb2.QUERY_STATE_DONE, progress_pb2.QUERY_STATE_STOPPED


class EngineThatTakesLong:
    """The real one, which is asked something endless in place of what was asked."""

    def __init__(self, engine):
        self._engine = engine
        self.progress = engine.progress

    async def query(self, sql, parameters, **options):
        values = {"project_id": parameters["project_id"]}
        return await self._engine.query(ENDLESS, values, **options)


@pytest.fixture
async def open_service():
    """Serves analytics over an engine; gives a function that makes stubs."""
    engine, clock = await shared_engine(), SystemClock()
    opened = []

    async def open_(*, endless):
        used = EngineThatTakesLong(engine) if endless else engine
        asking = Asking(used, GivenWatermarks(), GivenPersons(), clock)
        servicer = AnalyticsServicer(use_cases(asking, None, None), CellTokens(), PageTokens())
        context = serve(Servicer(add_AnalyticsServiceServicer_to_server, servicer))
        served = await context.__aenter__()
        opened.append(context)
        return lambda subject="user:li": AnalyticsServiceStub(
            served.channel(with_token=token("analyst", projects=["demo"], subject=subject))
        )

    yield open_
    for context in opened:
        await context.__aexit__(None, None, None)


def question() -> pb.QueryEventsRequest:
    request = pb.QueryEventsRequest(project_id="demo")
    request.event.event_name = "trade"
    return request


def named(request_id: str) -> tuple[tuple[str, str]]:
    return ((REQUEST_ID_KEY, request_id),)


def watching(stub, request_id, project="demo"):
    request = progress_pb2.WatchQueryRequest(project_id=project, request_id=request_id)
    return stream(stub.WatchQuery, request, timeout_s=20)


async def told(stub, request_id, most=99, project="demo"):
    found = []
    async with watching(stub, request_id, project) as messages:
        async for message in messages:
            found.append(message)
            if len(found) == most:
                break
    return found


async def stopped_within(engine, within_s: float) -> None:
    """Nothing runs on the engine after so many seconds."""
    until = time.monotonic() + within_s
    while engine.running or any((await engine.progress()).values()):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def test_a_caller_watches_a_question_and_leaves_it_and_it_stops(open_service):
    engine, stubs = await shared_engine(), await open_service(endless=True)
    name = uuid4().hex
    asked = stubs().QueryEvents(question(), timeout=20, metadata=named(name))
    found = []
    async with watching(stubs(), name) as messages:
        async for message in messages:
            found.append(message)
            if len(found) == 3:
                asked.cancel()
                await stopped_within(engine, 2)
    states = [message.state for message in found]
    assert RUNNING in states
    assert states[-1] == STOPPED
    assert set(states[:-1]) <= {QUEUED, RUNNING}
    rows = [message.rows_read for message in found]
    assert rows == sorted(rows)
    assert rows[-1] > 0
    percents = [message.percent for message in found]
    assert percents == sorted(percents)
    assert percents[-1] < 100
    running = next(message for message in found if message.rows_read)
    assert running.rows_total == 1_000_000_000_000
    assert running.eta_ms > 1_000
    assert running.elapsed_ms > 0 < running.bytes_read


async def test_a_deadline_stops_the_question_at_its_caller_and_in_the_engine(open_service):
    engine, stubs = await shared_engine(), await open_service(endless=True)
    name, started = uuid4().hex, time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stubs().QueryEvents(question(), timeout=0.6, metadata=named(name))
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 2
    await stopped_within(engine, 2)
    assert [message.state for message in await told(stubs(), name)] == [STOPPED]


async def test_an_answered_question_is_done(open_service):
    stubs = await open_service(endless=False)
    name = uuid4().hex
    watch = asyncio.create_task(told(stubs(), name))
    await asyncio.sleep(0.1)
    await stubs().QueryEvents(question(), timeout=20, metadata=named(name))
    last = (await watch)[-1]
    assert (last.state, last.percent) == (DONE, 100)
    assert not last.HasField("eta_ms")
    again = await told(stubs(), name)
    assert [message.state for message in again] == [DONE], "it is known for a while"
    assert again[0].elapsed_ms == last.elapsed_ms


async def test_nobody_watches_the_question_of_another(open_service, monkeypatch):
    monkeypatch.setattr(watch_query, "APPEARS_S", 0.2)
    stubs = await open_service(endless=False)
    name = uuid4().hex
    await stubs().QueryEvents(question(), timeout=20, metadata=named(name))
    for subject, request_id in (("user:wang", name), ("user:li", "another")):
        with pytest.raises(NotFound) as refused:
            await told(stubs(subject), request_id)
        assert refused.value.reason == "QUERY_UNKNOWN"
        assert refused.value.metadata == {"request_id": request_id}


@pytest.mark.parametrize("bad", ["", "a b", "x" * 65, "名"])
async def test_what_is_no_id_is_refused_by_name(open_service, bad):
    stubs = await open_service(endless=False)
    with pytest.raises(InvalidInput) as refused:
        await told(stubs(), bad)
    assert refused.value.field == "request_id"


async def test_a_question_under_a_bad_id_is_refused(open_service):
    stubs = await open_service(endless=False)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stubs().QueryEvents(question(), timeout=20, metadata=named("a b"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert REQUEST_ID_KEY in refused.value.details()
    assert (await call(stubs().QueryEvents, question())).total.cell.persons == 0


async def test_only_so_many_questions_are_remembered():
    underway = Underway(SystemClock())
    for number in range(KEPT + 5):
        scope = Scope("m", 1, 1, sampled=False)
        scope.request_id = str(number)
        before = enter_scope(scope)
        underway.begin("demo")
        leave_scope(before)
    assert underway.find(("demo", "", "4")) is None
    assert underway.find(("demo", "", "5")) is not None
