"""From the door to a query: throughput, freshness and memory of the whole platform.

All services run as processes on the embedded stores of this machine, and so does the client. A
figure ends when GetWatermark counts the last event, that is, when queries see it.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import grpc

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from siyu.collect.v1.collect_service_pb2 import IngestRequest, IngestResponse
from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_client.platform import Platform
from siyu_kit.auth import TokenSource
from siyu_kit.rpc.client import call, connect

BATCH = 1_000
#: Long enough that start-up, caches and the last batch do not decide.
EVENTS = 1_000_000
AT_ONCE = 4
RATE = 2_000
RATE_SECONDS = 20
RATE_BATCH = 100
CUSTOMERS = 50_000
INGEST = "/siyu.collect.v1.CollectService/Ingest"


def make_event(i: int, now_ms: int) -> Event:
    """An event of an app; one in ten also names the device, one in fifty is a login."""
    who = i * 7919 % CUSTOMERS
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
            INGEST, response_deserializer=IngestResponse.FromString
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


async def throughput(door: Door, store: Store) -> dict[str, float]:
    """Send as fast as the door takes, wait for the last event."""
    await settle(door, store)
    waiting = iter(payloads("bulk", 0, EVENTS, BATCH))

    async def sender() -> None:
        for payload in waiting:
            await door.send(payload, BATCH)

    started = time.monotonic()
    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    taken = time.monotonic()
    while await store.events("bulk") < EVENTS:
        await asyncio.sleep(0.02)
    ended = time.monotonic()
    return {
        "pipeline.events_per_s": EVENTS / (ended - started),
        "pipeline.door_events_per_s": EVENTS / (taken - started),
        "pipeline.sink_behind_s": ended - taken,
    }


async def settle(door: Door, store: Store) -> None:
    """One small batch all the way, so that nothing is created for the first time below."""
    await door.send(payloads("warm", 0, BATCH, BATCH)[0], BATCH)
    while await store.events("warm") < BATCH:
        await asyncio.sleep(0.02)


async def freshness(door: Door, store: Store) -> dict[str, float]:
    """At a steady rate, of known customers: from sending a batch to a query that sees it."""
    before = await store.events("bulk")
    parts = payloads("bulk", before, RATE * RATE_SECONDS, RATE_BATCH)
    sent: list[float] = []
    seen: list[float] = []

    async def watch() -> None:
        while len(seen) < len(parts):
            done = (await store.events("bulk") - before) // RATE_BATCH
            seen.extend([time.monotonic()] * (done - len(seen)))
            await asyncio.sleep(0.02)

    watcher = asyncio.create_task(watch())
    started = time.monotonic()
    for number, payload in enumerate(parts):
        await asyncio.sleep(max(0.0, started + number * RATE_BATCH / RATE - time.monotonic()))
        sent.append(time.monotonic())
        await door.send(payload, RATE_BATCH)
    await watcher
    waits = sorted(b - a for a, b in zip(sent, seen, strict=True))
    return {
        "pipeline.visible_p50_s": waits[len(waits) // 2],
        "pipeline.visible_p95_s": waits[int(len(waits) * 0.95)],
        "pipeline.visible_max_s": waits[-1],
    }


async def measure(platform: Platform) -> dict[str, float]:
    """All figures of one running platform."""
    tokens = platform.credentials.tokens("bench", ["admin"])
    door = Door(platform.addresses["collect"].target, tokens)
    store = Store(platform.addresses["analytics"].target, tokens)
    figures = {f"rss_mb.{name}.idle": mb for name, mb in resident(platform).items()}
    figures |= await throughput(door, store)
    figures |= await freshness(door, store)
    figures |= {f"rss_mb.{name}.loaded": mb for name, mb in resident(platform).items()}
    await door.channel.close()
    await store.channel.close()
    return figures


def resident(platform: Platform) -> dict[str, float]:
    """Resident memory of every process, MB."""
    return {name: process.resident_mb() for name, process in platform.processes.items()}


def run() -> dict[str, float]:
    """Measure; see the module."""
    with (
        tempfile.TemporaryDirectory(prefix="siyu-bench-") as name,
        Platform(Path(name), projects=["bulk"]) as platform,
    ):
        time.sleep(3)
        return asyncio.run(measure(platform))
