"""Ten light questions beside two heavy ones and a running import, on one engine.

Callers of light questions pause a second between two; the heavy ones ask without a pause; the
import offers a batch of 5 000 events twice a second to the real sink. Once with heavy statements
weighed, once with all statements treated alike. ``EVENTS`` and ``SECONDS`` size it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import channel_pb2, question_pb2, session_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from siyu_analytics.app.asking import Asking
from siyu_analytics.app.carry_out import CarryOut
from siyu_analytics.app.plan_batch import PlanBatch
from siyu_analytics.app.recover_sink import RecoverSink
from siyu_analytics.bootstrap import MIGRATIONS
from siyu_analytics.domain.cost import CostBounds
from siyu_analytics.engine.chdb import ChdbEngine, Limits
from siyu_analytics.engine.protobuf import EVENT_SCHEMA
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_analytics.store.event_batches import EngineEventBatches
from siyu_analytics.store.schema import statements
from siyu_analytics.store.sink_plans import SqlPlans
from siyu_analytics.stream.event_sink import EventSink
from siyu_analytics.stream.event_texts import ProtobufEventTexts
from siyu_kit.clock import SystemClock
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.migrate import upgrade
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import START

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics_bench import DAY_MS, DAYS, FILL, PROJECT, START_MS

from support.analytics_events import FixedNumbers, entry, track
from support.analytics_questions import GivenPersons, GivenWatermarks

EVENTS: Final = int(os.environ.get("EVENTS", "3000000"))
SECONDS: Final = float(os.environ.get("SECONDS", "20"))
LIGHT, HEAVY = 10, 2
PAUSE_S: Final = 1.0
BATCH, EVERY_S = 5_000, 0.5
WEIGHED: Final = CostBounds(light_rows=EVENTS // 3)
TO_MS: Final = START_MS + DAYS * DAY_MS

Ask = Callable[[], Awaitable[object]]


def run() -> dict[str, float]:
    """Flat figures."""
    return asyncio.run(_run())


async def _run() -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="siyu-bench-"))
    writes = ChdbEngine(folder / "engine", Limits(threads=3, timeout_s=0), name="sink")
    try:
        for statement in statements(duplicate_window_days=0):
            await writes.command(statement)
        await _fill(writes)
        importing = await _import(folder, writes)
        figures = {}
        for name, cost in (("", WEIGHED), ("unweighed_", CostBounds())):
            limits = Limits(threads=2, guests=1, heavy=1, cost=cost, timeout_s=120)
            reads = ChdbEngine(folder / "engine", limits, name="query")
            figures |= {f"admission.{name}{key}": value for key, value in (
                await _phases(_service(reads), importing)
            ).items()}  # fmt: skip
            await reads.aclose()
        return figures
    finally:
        writes.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _fill(engine: ChdbEngine) -> None:
    for low in range(0, EVENTS, 1_000_000):
        count = min(1_000_000, EVENTS - low)
        text = FILL.format(
            people=EVENTS // 20, start=START_MS, length=DAYS * DAY_MS, low=low, count=count
        )
        await engine.command(text)
    await engine.command("OPTIMIZE TABLE events FINAL")


def _service(engine: ChdbEngine) -> AnalyticsServicer:
    watermarks: Any = GivenWatermarks()
    watermarks.state = type(watermarks.state)(EVENTS, 3, 5)
    asking = Asking(engine, watermarks, GivenPersons(), SystemClock())
    return AnalyticsServicer(use_cases(asking, None, None), CellTokens(), PageTokens())  # type: ignore[arg-type]


@dataclass
class Import:
    """The sink, and batches that come at their times."""

    stream: MemoryStreamStore
    sink: EventSink
    owned: Owned
    sent: int = 0
    lags_s: list[float] = field(default_factory=list)

    async def run(self, until: float) -> float:
        """Store batches until then, in rows a second.

        Each is due at a time whether the one before is stored; all that were due are stored.
        """
        self.lags_s.clear()
        started = due = time.perf_counter()
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            events = (
                track("import", number, user=number % 1_000)
                for number in range(self.sent, self.sent + BATCH)
            )
            self.sent += BATCH
            await self.stream.append("events", 0, [entry(events)])
            found = await self.stream.read({0: self.owned.position}, "events", count=1)
            await self.sink(self.owned, found[0])
            self.lags_s.append(time.perf_counter() - due)
            due += EVERY_S
        return len(self.lags_s) * BATCH / max(until - started, time.perf_counter() - started)


async def _import(folder: Path, engine: ChdbEngine) -> Import:
    url = f"sqlite+aiosqlite:///{folder}/analytics.db"
    await upgrade(url, MIGRATIONS)
    database, stream, clock = Database(url), MemoryStreamStore(), SystemClock()
    plans, batches = SqlPlans(database), EngineEventBatches(engine, EVENT_SCHEMA, (7, 9))
    limit = DeadLetterLimit(clock, DeadLetterCap())
    numbers: Any = FixedNumbers()
    carry_out = CarryOut(plans, batches, numbers, ProtobufEventTexts(), limit)
    sink = EventSink(PlanBatch(plans, carry_out), RecoverSink(stream, plans, carry_out), clock)
    lease = await Leases(database, holder="bench", ttl_s=3600).acquire("sink")
    assert lease is not None
    return Import(stream, sink, Owned(0, lease, START))


async def _phases(rpc: AnalyticsServicer, importing: Import) -> dict[str, float]:
    await asyncio.gather(*(ask() for ask in _light(rpc)))
    until = time.perf_counter() + SECONDS
    alone = _p95(await _lights(rpc, until))
    sink_alone = await importing.run(time.perf_counter() + SECONDS)
    alone_lags_s = list(importing.lags_s)
    until = time.perf_counter() + SECONDS
    took, sink_beside, heavy = await asyncio.gather(
        _lights(rpc, until), importing.run(until), _heavies(rpc, until)
    )
    beside = _p95(took)
    return {
        "light_alone_p95_s": alone,
        "light_beside_p95_s": beside,
        "light_p95_ratio": beside / alone,
        "light_questions": float(len(took)),
        "heavy_questions": float(heavy),
        "sink_alone_lag_p95_s": _p95(alone_lags_s),
        "sink_lag_p95_s": _p95(importing.lags_s),
        "sink_alone_rows_per_s": sink_alone,
        "sink_rows_per_s": sink_beside,
        "sink_vs_alone": sink_beside / sink_alone,
    }


def _light(rpc: AnalyticsServicer) -> list[Ask]:
    def ask(name: str, days: int) -> Ask:
        request = pb.QueryEventsRequest(
            event=cpb.EventFilter(event_name=name), granularity=question_pb2.GRANULARITY_DAY
        )
        _scoped(request).scope.from_time_ms = TO_MS - days * DAY_MS
        return lambda: rpc.QueryEvents(request, None)

    names = ("launch", "click", "deposit", "search", "launch")
    return [ask(names[i % 5], 1 + i) for i in range(LIGHT)]


def _scoped(request: Any) -> Any:
    request.project_id = PROJECT
    request.scope.from_time_ms, request.scope.to_time_ms = START_MS, TO_MS
    request.scope.as_of_time_ms = TO_MS
    return request


async def _lights(rpc: AnalyticsServicer, until: float) -> list[float]:
    took: list[float] = []

    async def caller(position: int, ask: Ask) -> None:
        await asyncio.sleep(position * PAUSE_S / LIGHT)
        while (started := time.perf_counter()) < until:
            await ask()
            took.append(time.perf_counter() - started)
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(caller(*item) for item in enumerate(_light(rpc))))
    return took


async def _heavies(rpc: AnalyticsServicer, until: float) -> int:
    """How many were answered; one that is under way at the end is given up."""
    channels = channel_pb2.QueryChannelsRequest(
        channel=question_pb2.Breakdown(event_property="channel"),
        pages=[cpb.EventFilter(event_name="view")],
        new_event=cpb.EventFilter(event_name="launch"),
        open_event=cpb.EventFilter(event_name="trade"),
        deposit_event=cpb.EventFilter(event_name="deposit"),
        amount_property="amount",
    )
    sessions = session_pb2.QuerySessionsRequest()
    answered = 0

    async def caller(ask: Callable[[Any, Any], Awaitable[object]], request: Any) -> None:
        nonlocal answered
        while True:
            await ask(_scoped(request), None)
            answered += 1

    asked = ((rpc.QueryChannels, channels), (rpc.QuerySessions, sessions))[:HEAVY]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, until - time.perf_counter())):
            await asyncio.gather(*(caller(*item) for item in asked))
    return answered


def _p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 95 // 100)]
