"""Identity on PostgreSQL beside its floors: the same rows by bare SQL, in the same run.

Links against multi-row inserts of as many rows; look-ups through gRPC against the same look-ups by
direct SQL in the same batches; a mixed load's tail; re-stitches of half a million and of five
million links in processes of their own, with their peak memory.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from child import figures_of
from sqlalchemy import insert, select, text

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu_kit.rpc import call
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from support.identity_service import RunningIdentity

TESTS = Path(__file__).resolve().parents[1]
PROJECT = "demo"
LINKED = 20_000
RESOLVED = 20_000
MIXED = 2_000
BATCH = 100
EDGES = (500_000, 5_000_000)
ROUNDS = 5
"""Re-stitches of either size, in turns; the median counts."""


def run() -> dict[str, float]:
    """Flat figures."""
    figures: dict[str, float] = {}
    server = PostgresServer()
    try:
        figures |= asyncio.run(_served(server.url(server.create_database())))
    finally:
        server.stop()
    rounds = [[_restitched(count) for count in EDGES] for _ in range(ROUNDS)]
    (small, small_mb), (large, large_mb) = (
        map(median, zip(*runs, strict=True)) for runs in zip(*rounds, strict=True)
    )
    figures["identity.restitch_edges_per_s"] = EDGES[1] / large
    figures["identity.restitch_growth"] = large / small
    figures["identity.restitch_0_5m_peak_mb"] = small_mb
    figures["identity.restitch_5m_peak_mb"] = large_mb
    return figures


async def _served(url: str) -> dict[str, float]:
    sys.path.insert(0, str(TESTS))
    from support.identity_service import identity_service

    async with identity_service(url, stream=MemoryStreamStore()) as service:
        await asyncio.sleep(0.3)
        figures = await _linking(service)
        figures |= await _resolving(service)
        figures["identity.link_p99_ms"] = await _mixed(service)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures | {"identity.serving_peak_mb": peak}


async def _linking(service: RunningIdentity) -> dict[str, float]:
    """New evidence in batches of 1 000, and rows as many as it writes by bare inserts."""
    stub = service.stub()
    requests = [
        pb.LinkBatchRequest(
            project_id=PROJECT, evidences=[_login(n) for n in range(start, start + 1_000)]
        )
        for start in range(0, LINKED, 1_000)
    ]
    floor = await _inserted(service)
    started = time.perf_counter()
    for request in requests:
        await call(stub.LinkBatch, request)
    rate = LINKED / (time.perf_counter() - started)
    return {
        "identity.link_batch_per_s": rate,
        "identity.link_floor_per_s": floor,
        "identity.link_vs_floor": rate / floor,
    }


async def _inserted(service: RunningIdentity) -> float:
    """Two identifiers and one piece of evidence a link, by multi-row inserts, no look-up at all."""
    from siyu_identity.store.tables import EvidenceRow, IdentRow

    started = time.perf_counter()
    for start in range(0, LINKED, 1_000):
        numbers = range(2 * start + 1, 2 * start + 2_001)
        idents = [
            {
                "project_id": "floor", "ident_no": no, "type": "device_id",
                "lookup": no.to_bytes(16), "person_key": no.to_bytes(16), "value": b"v" * 40,
                "created_ms": 1, "first_ms": 1, "component": no, "person_no": no,
                "quarantined": False, "flags": 0,
            }
            for no in numbers
        ]  # fmt: skip
        said = [
            {
                "project_id": "floor", "left_no": no, "right_no": no + 1, "strength": 3,
                "first_ms": 1, "linked_ms": 1, "unlinked_ms": -1,
            }
            for no in numbers[::2]
        ]  # fmt: skip
        async with service.database.transaction() as session:
            await session.execute(insert(IdentRow), idents)
            await session.execute(insert(EvidenceRow), said)
    return LINKED / (time.perf_counter() - started)


async def _resolving(service: RunningIdentity) -> dict[str, float]:
    """Batches of 100, half of them never asked for before."""
    stub = service.stub()
    names = [f"c{n}" for n in random.Random(1).choices(range(LINKED), k=RESOLVED)]
    requests = [
        pb.ResolveBatchRequest(
            project_id=PROJECT,
            identifiers=[
                Identifier(type="customer_no", value=name) for name in names[start : start + BATCH]
            ],
        )
        for start in range(0, RESOLVED, BATCH)
    ]
    floor = await _looked_up(service, names)
    started = time.perf_counter()
    for request in requests:
        await call(stub.ResolveBatch, request)
    rate = RESOLVED / (time.perf_counter() - started)
    return {
        "identity.resolve_ids_per_s": rate,
        "identity.resolve_floor_ids_per_s": floor,
        "identity.resolve_vs_floor": rate / floor,
    }


async def _looked_up(service: RunningIdentity, names: list[str]) -> float:
    """The same look-ups by direct SQL: blind index to number, number to person."""
    from siyu_identity.domain.evidence import Identifier as Plain
    from siyu_identity.store.sets import among, among_bytes
    from siyu_identity.store.tables import IdentRow
    from siyu_kit.sql.upsert import table_of
    from support.identity_service import KEYS

    keys, c = KEYS.of(PROJECT), table_of(IdentRow).c
    anchor = table_of(IdentRow).alias("anchor").c
    dialect: Any = service.database.dialect
    started = time.perf_counter()
    for start in range(0, len(names), BATCH):
        lookups = [keys.lookup(Plain("customer_no", n)) for n in set(names[start : start + BATCH])]
        async with service.database.session() as session:
            numbers = await session.execute(
                select(c.lookup, c.ident_no).where(
                    c.project_id == PROJECT, among_bytes(dialect, c.lookup, lookups)
                )
            )
            rows = await session.execute(
                select(c.ident_no, c.person_no, anchor.person_key).where(
                    c.project_id == PROJECT,
                    among(dialect, c.ident_no, [row[1] for row in numbers]),
                    anchor.project_id == PROJECT,
                    anchor.ident_no == c.person_no,
                )
            )
            rows.all()
    return len(names) / (time.perf_counter() - started)


async def _mixed(service: RunningIdentity) -> float:
    """p99 of a link, eight callers: mostly known evidence, some new, some that conflicts."""
    stub, times = service.stub(), list[float]()

    async def caller(seed: int) -> None:
        rng = random.Random(seed)
        for n in range(MIXED // 8):
            dice = rng.random()
            known = rng.randrange(LINKED)
            evidence = (
                _login(known) if dice < 0.85
                else _login(LINKED + seed * MIXED + n) if dice < 0.95
                else _login(known, device=rng.randrange(LINKED))
            )  # fmt: skip
            started = time.perf_counter()
            await call(stub.Link, pb.LinkRequest(project_id=PROJECT, evidence=evidence))
            times.append(time.perf_counter() - started)

    await asyncio.gather(*(caller(seed) for seed in range(8)))
    async with service.database.session() as session:
        await session.execute(text("SELECT 1"))
    return quantiles(times, n=100)[98] * 1_000


def _login(number: int, device: int | None = None) -> pb.Evidence:
    other = number if device is None else device
    return pb.Evidence(
        evidence_id=f"{number}-{other}",
        ids=[
            Identifier(type="customer_no", value=f"c{number}"),
            Identifier(type="device_id", value=f"d{other}"),
        ],
        evidence_class=EVIDENCE_CLASS_AUTHENTICATED,
        event_time_ms=1_700_000_000_000 + number,
        source="bench",
    )


def _restitched(edges: int) -> tuple[float, float]:
    """CPU seconds and peak megabytes of a re-stitch in a process of its own."""
    figures = figures_of("restitch_run.py", str(edges))
    return figures["cpu_s"], figures["peak_mb"]
