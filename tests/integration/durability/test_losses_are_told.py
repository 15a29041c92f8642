"""A stream server that loses its last seconds, under a door that was told not to ask for more.

What is gone is known to the event, whatever was read of it before; what comes after arrives, and
the feeds are whole again.
"""

import asyncio
import contextlib
import os
import signal
import time
from itertools import count

import grpc
import pytest
import redis

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu.collect.v1.collect_service_pb2 import IngestRequest
from siyu.collect.v1.collect_service_pb2_grpc import CollectServiceStub
from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event
from siyu.identity.v1 import identity_service_pb2 as identity
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_client.client import call
from siyu_kit.errors import DomainError
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.telemetry import active
from siyu_kit.testing.redis import RedisServer
from support.small_platform import SmallPlatform
from support.switchboard import Switchboard

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]
WEAK = {"appendfsync": "everysec"}
IN_FLIGHT = 20
"""Events that may have left the server for the sink in the moment that it was stopped."""


class Scene:
    """A sender and an auditor."""

    def __init__(self, platform, client, collect):
        self.platform = platform
        self.client = client
        self._collect = collect
        self._numbers = count()
        self.sent = 0
        self.repeated = 0

    async def send(self, number):
        """Send new events until all are answered OK."""
        now_ms = int(time.time() * 1000)
        events = [
            Event(
                message_id=f"m{n}",
                ids=[
                    Identifier(type="customer_no", value=f"C{n:05}"),
                    Identifier(type="device_id", value=f"dev-{n:05}"),
                ],
                kind=EVENT_KIND_TRACK,
                name="news_view",
                event_time_ms=now_ms,
            )
            for n in (next(self._numbers) for _ in range(number))
        ]
        for start in range(0, number, 10):
            request = IngestRequest(project_id="demo", events=events[start : start + 10])
            tries = count()
            answer = await insist(
                lambda r=request, t=tries: (next(t), call(self._collect.Ingest, r))[1]
            )
            assert answer.accepted == len(request.events)
            self.repeated += len(request.events) * (next(tries) - 1)
        self.sent += number

    def pause(self):
        """Stop the sink."""
        os.kill(self.platform.processes["analytics"].pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.platform.processes["analytics"].pid, signal.SIGCONT)

    async def account(self):
        request = analytics.GetReconciliationRequest(project_id="demo")
        return await insist(lambda: call(self.client.analytics.GetReconciliation, request))

    async def settled(self, stored):
        """The account once so much is stored; it adds up at every moment."""
        deadline = time.monotonic() + 30
        while True:
            account = await self.account()
            assert account.received == account.accepted
            done = account.stored + account.duplicates + account.passed + account.dead_lettered
            assert account.accepted + account.unaccounted == done + account.pending + account.lost
            if account.stored >= stored and not account.pending:
                return account
            assert time.monotonic() < deadline, account
            await asyncio.sleep(0.1)

    def holds(self, account):
        """Nothing but what was repeated is told twice, and all of it is stored or lost."""
        assert account.received == account.stored + account.duplicates + account.lost
        assert self.sent <= account.received <= self.sent + self.repeated
        assert account.duplicates <= self.repeated

    async def feeds_are_whole(self):
        """Analytics has applied all that identity ever told."""
        request = identity.ListChangesRequest(project_id="demo", page_size=1_000)
        while (page := await call(self.client.identity.ListChanges, request)).more:
            request.after_sequence = page.next_sequence
        deadline = time.monotonic() + 30
        asked = analytics.GetWatermarkRequest(project_id="demo")
        while True:
            reached = (await call(self.client.analytics.GetWatermark, asked)).identity_sequence
            if reached >= page.next_sequence:
                return page.next_sequence
            assert time.monotonic() < deadline, (reached, page.next_sequence)
            await asyncio.sleep(0.1)


async def insist(ask):
    """Repeat until it is answered."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return await ask()
        except DomainError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def without_retries(platform):
    """Collect's stub over a channel that repeats nothing, so that each repetition is counted."""
    target = platform.addresses["collect"].target
    tokens = platform.credentials.tokens("user:test", ["admin"], ["*"])
    bare = grpc.aio.insecure_channel(target, [("grpc.enable_retries", 0)])
    async with KitChannel(bare, tokens, active()) as channel:
        yield CollectServiceStub(channel)


def replica_of(primary):
    replica = RedisServer(None, replicaof=f"127.0.0.1 {primary.port}", **WEAK)
    deadline = time.monotonic() + 20
    while primary.replicas() < 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return replica


async def test_what_a_relaxed_server_loses_is_counted_to_the_event(tmp_path):
    primary = RedisServer(None, **WEAK, **{"repl-diskless-sync-delay": "0"})
    board = Switchboard(primary.port)
    settings = {"SIYU_STREAM_DURABILITY": "relaxed", "SIYU_LOG_FORMAT": "json"}
    names = ("identity", "collect", "analytics")
    platform = SmallPlatform(tmp_path, board.url, names, **settings)
    replica = replica_of(primary)
    try:
        async with platform.client() as client, without_retries(platform) as collect:
            scene = Scene(platform, client, collect)
            await a_lagging_replica_takes_over(scene, primary, replica, board)
            await the_log_is_cut(scene, replica)
            await everything_is_flushed(scene, replica)
        assert "stream_put_back" in platform.log("analytics")
        assert "stream_forgot_acknowledged" in platform.log("collect")
    finally:
        platform.stop()
        board.stop()
        for server in (primary, replica):
            server.kill()
            server.stop()


async def a_lagging_replica_takes_over(scene, primary, replica, board):
    await scene.send(200)
    account = await scene.settled(200)
    assert (account.lost, account.balanced) == (0, True)
    await scene.feeds_are_whole()
    replica.promote()  # from here on it lags
    await scene.send(60)
    await scene.settled(260)
    before = await scene.feeds_are_whole()
    scene.pause()
    await scene.send(90)
    board.connect_to(0)
    primary.kill()
    board.connect_to(replica.port)
    await scene.send(50)
    scene.resume()
    # 60 were read before they were forgotten; of 90, what was on its way to the sink just then.
    account = await scene.settled(310)
    scene.holds(account)
    assert scene.sent == 400
    assert IN_FLIGHT >= account.stored - 310 >= 0
    assert not account.balanced
    assert "events_lost" in scene.platform.log("analytics")
    assert await scene.feeds_are_whole() > before


async def the_log_is_cut(scene, server):
    account = await scene.account()
    stored, lost = account.stored, account.lost
    scene.pause()
    await scene.send(100)
    server.kill()
    server.lose_tail(20_000)
    server.start()
    await scene.send(30)
    scene.resume()
    account = await scene.settled(stored + 30)
    assert 0 < account.lost - lost <= 100 + scene.repeated
    scene.holds(account)
    await scene.feeds_are_whole()


async def everything_is_flushed(scene, server):
    account = await scene.account()
    stored, lost = account.stored, account.lost
    scene.pause()
    await scene.send(40)
    await asyncio.to_thread(server.clear)
    await scene.send(20)
    scene.resume()
    account = await scene.settled(stored + 20)
    scene.holds(account)
    assert IN_FLIGHT >= 40 - (account.lost - lost) >= -scene.repeated
    await scene.feeds_are_whole()
    with redis.Redis.from_url(server.url) as plain:
        deadline = time.monotonic() + 15
        # Readers report again, so that trimming goes on.
        while set(plain.hgetall("siyu.position.events.0")) < {b"analytics", b"identity"}:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
