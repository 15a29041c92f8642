"""The way of a benchmark's events: serialized requests in at the door, counts out of analytics."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import psutil

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from siyu.collect.v1.collect_service_pb2 import IngestRequest, IngestResponse
from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_client.platform import Platform
from siyu_kit.auth import TokenSource
from siyu_kit.rpc.client import call, connect

BATCH = 1_000
AT_ONCE = 4
BATCHES_PER_S = 20
CUSTOMERS = 50_000
REST_S = 90.0
_INGEST = "/siyu.collect.v1.CollectService/Ingest"


def make_event(i: int, now_ms: int, customers: int = CUSTOMERS) -> Event:
    """An event of an app; one in ten also names the device, one in fifty is a login."""
    who = i * 7919 % customers
    ids = [Identifier(type="customer_no", value=f"C{who:08d}")]
    if i % 10 == 0:
        ids.append(Identifier(type="device_id", value=f"dev-{who:012d}"))
    return Event(
        message_id=f"{i:032x}",
        ids=ids,
        kind=EVENT_KIND_TRACK,
        name="login" if i % 50 == 0 else ("news_view", "app_start", "quote_view", "deposit")[i % 4],
        event_time_ms=now_ms - 1_000 - i % 80_000_000,
        string_properties={"channel": ("baidu", "wechat", "store")[i % 3], "page": f"p/{i % 97}"},
        number_properties={"amount": (i % 100_000) / 100},
        context={"platform": "iOS", "app_version": "7.12.0"},
    )


def payloads(project_id: str, first: int, count: int, size: int) -> list[bytes]:
    """Serialized requests, so that the client's own work does not slow what is measured."""
    now_ms = time.time_ns() // 1_000_000
    made = []
    for start in range(first, first + count, size):
        events = [make_event(i, now_ms) for i in range(start, start + size)]
        made.append(IngestRequest(project_id=project_id, events=events).SerializeToString())
    return made


class Door:
    """Sends serialized requests."""

    def __init__(self, target: str, tokens: TokenSource) -> None:
        self.channel = grpc.aio.insecure_channel(target)
        self._ingest = self.channel.unary_unary(
            _INGEST, response_deserializer=IngestResponse.FromString
        )
        self._tokens = tokens

    async def send(self, payload: bytes, count: int) -> None:
        """Send one request; every event must be taken."""
        metadata = (("authorization", f"Bearer {self._tokens.token()}"),)
        answer = await self._ingest(payload, metadata=metadata, timeout=60)
        assert answer.accepted == count, answer.refused[:1]


class Store:
    """Asks analytics how much it has."""

    def __init__(self, target: str, tokens: TokenSource) -> None:
        self.channel = connect(target, tokens)
        self._stub = AnalyticsServiceStub(self.channel)

    async def events(self, project_id: str) -> int:
        """Events of the project that queries see."""
        request = pb.GetWatermarkRequest(project_id=project_id)
        return (await call(self._stub.GetWatermark, request, timeout_s=10)).events


@asynccontextmanager
async def doors(platform: Platform) -> AsyncIterator[tuple[Door, Store]]:
    """The way in and the way out of a running platform."""
    tokens = platform.credentials.tokens("bench", ["admin"])
    door = Door(platform.addresses["collect"].target, tokens)
    store = Store(platform.addresses["analytics"].target, tokens)
    yield door, store
    await door.channel.close()
    await store.channel.close()


async def pour(
    door: Door, store: Store, project_id: str, first: int, count: int
) -> tuple[float, float, float]:
    """Send as fast as the door takes; when it began, when all was taken, when all was seen."""
    waiting = iter(payloads(project_id, first, count, BATCH))

    async def sender() -> None:
        for payload in waiting:
            await door.send(payload, BATCH)

    started = time.monotonic()
    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    taken = time.monotonic()
    while await store.events(project_id) < first + count:
        await asyncio.sleep(0.02)
    return started, taken, time.monotonic()


async def at_rest(platform: Platform) -> None:
    """Wait until the services work off nothing any more, or REST_S is over.

    Analytics may have seen everything while identity and profile still read what came before.
    """

    def used_s() -> float:
        pids = [process.pid for process in platform.processes.values()]
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)

    deadline = time.monotonic() + REST_S
    used, before = 1.0, used_s()
    while used > 0.5 and time.monotonic() < deadline:
        await asyncio.sleep(1)
        now = used_s()
        used, before = now - before, now


async def warm_up(door: Door, store: Store) -> None:
    """One small batch all the way, so that nothing is created for the first time below."""
    await door.send(payloads("warm", 0, BATCH, BATCH)[0], BATCH)
    while await store.events("warm") < BATCH:
        await asyncio.sleep(0.02)


async def freshness(
    door: Door, store: Store, project_id: str, rate: int, seconds: int
) -> list[float]:
    """At a steady rate, of known customers: from when a batch is due to a query that sees it.

    Batches go out when they are due, whether or not those before are answered: a door that is
    late is late in the figures too. Seconds of each batch, sorted.
    """
    before = await store.events(project_id)
    size = rate // BATCHES_PER_S
    parts = payloads(project_id, before, rate * seconds, size)
    seen: list[float] = []

    async def watch() -> None:
        while len(seen) < len(parts):
            done = (await store.events(project_id) - before) // size
            seen.extend([time.monotonic()] * (done - len(seen)))
            await asyncio.sleep(0.02)

    started = time.monotonic()
    due = [started + number / BATCHES_PER_S for number in range(len(parts))]
    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        for at, payload in zip(due, parts, strict=True):
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            group.create_task(door.send(payload, size))
    return sorted(b - a for a, b in zip(due, seen, strict=True))
