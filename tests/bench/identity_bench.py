"""The identity service: numbers resolved, new evidence linked, known evidence passed over.

In one process and over a unix socket, so client and service share a core; PostgreSQL is left out
where it is not installed.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event, EventBatch
from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu_identity.stream.known import GRAIN_MS
from siyu_kit.rpc import call
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.topics import EVENTS, IDENTITY, Kind
from siyu_kit.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from support.identity_service import RunningIdentity

TESTS = Path(__file__).resolve().parents[1]
PROJECT = "demo"
RESOLVED = 50_000
BATCH = 5_000
LINKED = 10_000
LOGINS = 5_000
EVENTS_AN_ENTRY = 1_000
ENTRIES = 40


def run() -> dict[str, float]:
    """Flat figures."""
    return asyncio.run(_run())


async def _run() -> dict[str, float]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'identity.db'}"
        figures |= await _measure(url, "sqlite")
    server = PostgresServer()
    try:
        name = server.create_database()
        figures |= await _measure(server.url(name), "postgres")
    finally:
        server.stop()
    return figures


async def _measure(url: str, name: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    async with _service(url) as service:
        figures[f"identity.link_new_per_s.{name}"] = await _link(service)
        figures[f"identity.create_ids_per_s.{name}"] = await _resolve(service, create=True)
        figures[f"identity.resolve_ids_per_s.{name}"] = await _resolve(service, create=False)
    async with _service(url) as service:
        figures[f"identity.resolve_cold_ids_per_s.{name}"] = await _resolve(service, create=False)
        for part, rate in (await _stream(service)).items():
            figures[f"identity.{part}_events_per_s.{name}"] = rate
        figures[f"identity.login_to_feed_p50_s.{name}"] = await _latency(service)
    return figures


@asynccontextmanager
async def _service(url: str) -> AsyncIterator[RunningIdentity]:
    # Benchmarks are run from this folder; the helpers of the tests lie beside it.
    sys.path.insert(0, str(TESTS))
    from support.identity_service import identity_service

    async with identity_service(url, stream=MemoryStreamStore()) as service:
        await asyncio.sleep(0.3)
        yield service


async def _link(service: RunningIdentity) -> float:
    stub = service.stub()
    requests = [
        pb.LinkBatchRequest(
            project_id=PROJECT,
            evidences=[
                pb.Evidence(
                    evidence_id=str(n),
                    ids=[
                        Identifier(type="customer_no", value=f"c{n}"),
                        Identifier(type="device_id", value=f"d{n}"),
                    ],
                    evidence_class=EVIDENCE_CLASS_AUTHENTICATED,
                    event_time_ms=1_700_000_000_000 + n,
                    source="bench",
                )
                for n in range(start, start + 1_000)
            ],
        )
        for start in range(0, LINKED, 1_000)
    ]
    started = time.perf_counter()
    for request in requests:
        await call(stub.LinkBatch, request)
    return LINKED / (time.perf_counter() - started)


async def _resolve(service: RunningIdentity, *, create: bool) -> float:
    stub = service.stub()
    requests = [
        pb.ResolveBatchRequest(
            project_id=PROJECT,
            create=create,
            identifiers=[
                Identifier(type="anonymous_id", value=f"anonymous-{n}")
                for n in range(start, start + BATCH)
            ],
        )
        for start in range(0, RESOLVED, BATCH)
    ]
    started = time.perf_counter()
    for request in requests:
        await call(stub.ResolveBatch, request)
    return RESOLVED / (time.perf_counter() - started)


def _payload(first: int, time_ms: int) -> NewEntry:
    events = [
        Event(
            project_id=PROJECT,
            message_id=f"{time_ms}.{n}",
            ids=[
                Identifier(type="customer_no", value=f"s{n % LOGINS}"),
                Identifier(type="device_id", value=f"t{n % LOGINS}"),
            ],
            kind=EVENT_KIND_TRACK,
            name="page",
            event_time_ms=time_ms,
        )
        for n in range(first, first + EVENTS_AN_ENTRY)
    ]
    payload = EventBatch(events=events).SerializeToString()
    return NewEntry(payload, EVENTS_AN_ENTRY, Kind.TRACK | Kind.LINK)


async def _stream(service: RunningIdentity) -> dict[str, float]:
    """The same logins: never seen, after the time grain, and again within it."""
    noon = 1_700_000_000_000 // GRAIN_MS * GRAIN_MS + GRAIN_MS // 2
    rates: dict[str, float] = {}
    for name, time_ms, count in (
        ("stream_new", noon, LOGINS // EVENTS_AN_ENTRY),
        ("stream_after_grain", noon + GRAIN_MS, LOGINS // EVENTS_AN_ENTRY),
        ("stream_known", noon + GRAIN_MS + 1, ENTRIES),
    ):
        entries = [_payload(n * EVENTS_AN_ENTRY, time_ms) for n in range(count)]
        started = time.perf_counter()
        last = (await service.stream.append(EVENTS.name, 0, entries))[-1]
        await _committed(service, last)
        rates[name] = count * EVENTS_AN_ENTRY / (time.perf_counter() - started)
    return rates


async def _committed(service: RunningIdentity, entry_id: str) -> None:
    """Wait for the position in the database: the report to the stream comes once a second."""
    from sqlalchemy import select

    from siyu_kit.sql.tables import position

    while True:
        async with service.database.session() as session:
            if await session.scalar(select(position.c.position)) == entry_id:
                return
        await asyncio.sleep(0.002)


async def _latency(service: RunningIdentity) -> float:
    """From the append of a login to its change in the feed."""
    times = []
    for n in range(30):
        event = Event(
            project_id=PROJECT,
            message_id=str(n),
            ids=[
                Identifier(type="customer_no", value=f"l{n}"),
                Identifier(type="device_id", value=f"l{n}"),
            ],
            kind=EVENT_KIND_TRACK,
            event_time_ms=1_700_000_000_000,
        )
        payload = EventBatch(events=[event]).SerializeToString()
        await asyncio.sleep(0.05)
        tail = await service.stream.tail(IDENTITY.name, 0)
        started = time.perf_counter()
        await service.stream.append(EVENTS.name, 0, [NewEntry(payload, 1, Kind.LINK)])
        await service.stream.read({0: tail}, IDENTITY.name, block_ms=5_000)
        times.append(time.perf_counter() - started)
    return median(times)
