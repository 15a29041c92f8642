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
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
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
from siyu_kit.stream.port import START, NewEntry

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics_bench import DAY_MS, DAYS, FILL, PROJECT, START_MS

from support.analytics_events import FixedNumbers, entry, track
from support.analytics_questions import GivenPersons, GivenWatermarks

EVENTS: Final = int(os.environ.get("EVENTS", "3000000"))
SECONDS: Final = float(os.environ.get("SECONDS", "20"))
LIGHT, HEAVY = 10, 2
PAUSE_S: Final = 1.0
TURNS: Final = 4
TURN_S: Final = SECONDS / TURNS
NOISE_S: Final = 0.1
"""A 95th percentile below this is as good as this: one turn of another process is as long."""
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

    def made(self) -> list[NewEntry]:
        """As many batches as are due in a turn; making them is not the service's work."""
        batches = []
        for _ in range(round(TURN_S / EVERY_S)):
            numbers = range(self.sent, self.sent + BATCH)
            batches.append(entry(track("import", one, user=one % 1_000) for one in numbers))
            self.sent += BATCH
        return batches

    async def run(self, batches: list[NewEntry]) -> list[float]:
        """Store batches, each due half a second after the one before, in seconds after its time."""
        lags, due = [], time.perf_counter()
        for batch in batches:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await self.stream.append("events", 0, [batch])
            found = await self.stream.read({0: self.owned.position}, "events", count=1)
            await self.sink(self.owned, found[0])
            lags.append(time.perf_counter() - due)
            due += EVERY_S
        return lags


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
    """In turns of a few seconds, so that what else the machine does is in all figures alike."""
    await asyncio.gather(*(ask() for ask in _light(rpc)))
    alone: list[float] = []
    beside: list[float] = []
    alone_lags: list[float] = []
    lags: list[float] = []
    stored: list[tuple[float, float]] = []
    for _ in range(TURNS):
        alone += await _lights(rpc, time.perf_counter() + TURN_S)
        by_itself = await importing.run(importing.made())
        batches, until = importing.made(), time.perf_counter() + TURN_S
        took, found, _ = await asyncio.gather(
            _lights(rpc, until), importing.run(batches), _heavies(rpc, until)
        )
        beside += took
        alone_lags += by_itself
        lags += found
        stored.append((_stored_per_s(by_itself), _stored_per_s(found)))
    return {
        "light_alone_p95_s": _p95(alone),
        "light_beside_p95_s": _p95(beside),
        "light_p95_ratio": _p95(beside) / max(_p95(alone), NOISE_S),
        "light_questions": float(len(beside)),
        "sink_alone_lag_p95_s": _p95(alone_lags),
        "sink_lag_p95_s": _p95(lags),
        "sink_alone_rows_per_s": fmean(one for one, _ in stored),
        "sink_rows_per_s": fmean(one for _, one in stored),
        "sink_vs_alone": fmean(one / by_itself for by_itself, one in stored),
    }


def _stored_per_s(lags: list[float]) -> float:
    """Rows a second of one turn; the offer is 10 000."""
    return len(lags) * BATCH / max(TURN_S, TURN_S - EVERY_S + lags[-1])


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


async def _heavies(rpc: AnalyticsServicer, until: float) -> None:
    """Asked without a pause until then; what is under way at the end is given up."""
    channels = channel_pb2.QueryChannelsRequest(
        channel=question_pb2.Breakdown(event_property="channel"),
        pages=[cpb.EventFilter(event_name="view")],
        new_event=cpb.EventFilter(event_name="launch"),
        open_event=cpb.EventFilter(event_name="trade"),
        deposit_event=cpb.EventFilter(event_name="deposit"),
        amount_property="amount",
    )
    sessions = session_pb2.QuerySessionsRequest()

    async def caller(ask: Callable[[Any, Any], Awaitable[object]], request: Any) -> None:
        while True:
            await ask(_scoped(request), None)

    asked = ((rpc.QueryChannels, channels), (rpc.QuerySessions, sessions))[:HEAVY]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, until - time.perf_counter())):
            await asyncio.gather(*(caller(*item) for item in asked))


def _p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 95 // 100)]
