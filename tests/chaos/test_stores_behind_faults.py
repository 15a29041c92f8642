"""A bad network before PostgreSQL, Redis and the push receiver.

While it is bad every call ends within its deadline, with an answer or a typed error. When it is
well again work goes on within 10 s. What was answered OK is there, and nothing is there twice.
"""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select, text

from chaos.fault_proxy import Fault, FaultProxy
from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu_kit.errors import Conflict, DependencyDown, QuotaExceeded
from siyu_kit.rpc.client import call
from siyu_kit.sql.engine import Database
from siyu_kit.sql.postgresql import ANSWER_S
from siyu_kit.sql.tables import outbox
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import IDENTITY
from siyu_touch.app.ports import PushMessage
from siyu_touch.channel.http_push import HttpPushProvider
from siyu_touch.domain.delivery import Answer
from support.identity_service import PROJECT, identity_service
from support.push_receiver import PushReceiver

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DEADLINE_S = 4.0
SLACK_S = 5.0
RECOVERY_S = 10.0
BAD = [fault for fault in Fault if fault is not Fault.NONE]
TYPED = (DependencyDown, QuotaExceeded, Conflict)


def _waits():
    """Every fault at both stores; what takes long and is like another is left to the slow tier."""
    alike = {Fault.LATENCY, Fault.ONE_WAY, Fault.DRIP, Fault.HALF_OPEN}
    for where in ("sql", "redis"):
        for fault in BAD:
            slow = where == "sql" and fault in alike
            yield pytest.param(
                where, fault, id=f"{where}-{fault.value}", marks=[pytest.mark.slow] * slow
            )


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@asynccontextmanager
async def identity_behind(postgres_url, redis_url):
    async with (
        FaultProxy(port_of(postgres_url)) as sql,
        FaultProxy(port_of(redis_url)) as redis,
    ):
        stream = RedisStreamStore(f"redis://127.0.0.1:{redis.port}/0", timeout_s=1.0)
        url = postgres_url.replace(f":{port_of(postgres_url)}/", f":{sql.port}/")
        async with identity_service(url, stream=stream) as identity:
            yield identity, sql, redis
            await sql.heal()
            await redis.heal()
        await stream.aclose()
        await identity.database.aclose()


async def link(identity, number):
    evidence = pb.Evidence(
        evidence_id=f"e-{number}",
        ids=[
            Identifier(type="customer_no", value=f"C{number:05d}"),
            Identifier(type="device_id", value=f"device-{number}"),
        ],
        evidence_class=EVIDENCE_CLASS_AUTHENTICATED,
        event_time_ms=time.time_ns() // 1_000_000,
        source="test",
    )
    request = pb.LinkRequest(project_id=PROJECT, evidence=evidence)
    return await call(identity.stub().Link, request, timeout_s=DEADLINE_S)


async def ask_while_bad(identity, numbers):
    """Calls end in time; gives those that were answered OK."""
    taken = set()
    for number in numbers:
        started = time.monotonic()
        try:
            await link(identity, number)
            taken.add(number)
        except TYPED:
            pass
        assert time.monotonic() - started < DEADLINE_S + SLACK_S
    return taken


async def recovered(identity, number):
    """Repeat until it is answered; the seconds that took."""
    started = time.monotonic()
    while True:
        try:
            await link(identity, number)
            return time.monotonic() - started
        except TYPED:
            assert time.monotonic() - started < RECOVERY_S + SLACK_S
            await asyncio.sleep(0.1)


async def feed(postgres_url, redis_url, at_least, within_s):
    """The feed as numbered and as published, when the two agree; around the proxies."""
    database, stream = Database(postgres_url), RedisStreamStore(redis_url)
    deadline = time.monotonic() + within_s + SLACK_S
    try:
        while True:
            async with database.session() as session:
                rows = await session.execute(
                    select(outbox.c.sequence, outbox.c.payload)
                    .where(outbox.c.topic == IDENTITY.name)
                    .order_by(outbox.c.sequence)
                )
                numbered = [(row.sequence, row.payload) for row in rows]
            entries = await stream.range(IDENTITY.name, 0, "-", "+", 1_000)
            published = [(entry.sequence, entry.payload) for entry in entries]
            if numbered == published and len(numbered) >= at_least:
                return [sequence for sequence, _ in published]
            assert time.monotonic() < deadline, (len(numbered), len(published))
            await asyncio.sleep(0.1)
    finally:
        await database.aclose()
        await stream.aclose()


@pytest.mark.parametrize("fault", BAD, ids=lambda fault: fault.value)
async def test_a_database_is_down_or_it_answers(postgres_url, fault):
    async with FaultProxy(port_of(postgres_url)) as proxy:
        url = postgres_url.replace(f":{port_of(postgres_url)}/", f":{proxy.port}/")
        # The bound on this side is 5 s longer than the server's.
        database = Database(url, pool_size=2, statement_timeout_s=1.0, connect_timeout_s=1.0)
        await database.ping()
        await proxy.set(fault, delay_s=0.05)
        for use in (database.session, database.transaction) * 2:
            started = time.monotonic()
            try:
                async with use() as session:
                    await session.execute(text("SELECT 1"))
            except TYPED:
                pass
            assert time.monotonic() - started < 1.0 + ANSWER_S + SLACK_S
        await proxy.heal()
        healed = time.monotonic()
        while True:
            try:
                async with database.transaction() as session, database.session() as other:
                    assert await session.scalar(text("SELECT 2")) == 2
                    assert await other.scalar(text("SELECT 3")) == 3
                break
            except TYPED:
                assert time.monotonic() - healed < RECOVERY_S
        await database.aclose()


@pytest.mark.parametrize(("where", "fault"), list(_waits()))
async def test_identity(postgres_url, redis_url, where, fault):
    async with identity_behind(postgres_url, redis_url) as (identity, sql, redis):
        await recovered(identity, 0)  # connections are made
        proxy = sql if where == "sql" else redis
        await proxy.set(fault, delay_s=0.1)
        taken = await ask_while_bad(identity, range(1, 4))
        if where == "redis":
            # Persons do not need the stream: the feed follows when it is back.
            assert taken == {1, 2, 3}
        await proxy.heal()
        assert await recovered(identity, 4) < RECOVERY_S
        # A peer that acknowledges and never answers is given up by our own bound on statements.
        silent = where == "sql" and fault is Fault.HALF_OPEN
        within_s = 30.0 + ANSWER_S if silent else RECOVERY_S
        sequences = await feed(postgres_url, redis_url, len(taken | {0, 4}), within_s)
        assert sequences == list(range(1, len(sequences) + 1))
        for number in taken | {0, 4}:
            request = pb.ResolveBatchRequest(
                project_id=PROJECT,
                identifiers=[
                    Identifier(type="customer_no", value=f"C{number:05d}"),
                    Identifier(type="device_id", value=f"device-{number}"),
                ],
            )
            found = (await call(identity.stub().ResolveBatch, request)).resolutions
            assert found[0].person_no == found[1].person_no != 0


@pytest.mark.parametrize("fault", BAD, ids=lambda fault: fault.value)
async def test_a_message_goes_out_once_and_its_fate_is_told_in_time(fault):
    receiver = PushReceiver()
    await receiver.start()
    async with FaultProxy(port_of(receiver.url)) as proxy:
        provider = HttpPushProvider(f"http://127.0.0.1:{proxy.port}/push", 0.5, 4)
        first = await provider.push(PushMessage("k0", "token", "title", "body"))
        assert first.answer is Answer.ACCEPTED
        await proxy.set(fault, delay_s=0.05)
        started = time.monotonic()
        told = await provider.push(PushMessage("k1", "token", "title", "body"))
        assert time.monotonic() - started < 0.5 * 4
        await proxy.heal()
        await asyncio.sleep(0.1)
        # Put off means that it may be sent again: then it must not have arrived.
        if told.answer is Answer.PUT_OFF:
            assert receiver.taken["k1"] == 0
        elif told.answer is Answer.ACCEPTED:
            assert receiver.taken["k1"] == 1
        else:
            assert told.answer is Answer.AMBIGUOUS
        assert max(receiver.taken.values()) == 1
        # A dead connection that nobody noticed may cost one more message its certainty.
        answers = [
            (await provider.push(PushMessage(f"k{n}", "token", "title", "body"))).answer
            for n in range(2, 5)
        ]
        assert answers[-1] is Answer.ACCEPTED
        await provider.aclose()
    await receiver.stop()
