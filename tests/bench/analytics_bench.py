"""The analysis models: each question against the same answer written by hand for the same engine.

``EVENTS=1000000`` makes it small; 10 million events of 500 000 identifiers otherwise, of which one
in twenty belongs to another person than its own. RPC and statement are run in turns.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import (
    attribute_pb2,
    attribution_pb2,
    channel_pb2,
    distribution_pb2,
    heatmap_pb2,
    interval_pb2,
    ltv_pb2,
    path_pb2,
    question_pb2,
    realtime_pb2,
    retention_pb2,
    session_pb2,
)
from siyu.condition.v1 import condition_pb2 as cpb
from siyu_analytics.app.asking import Asking
from siyu_analytics.app.projection_ports import Progress
from siyu_analytics.engine.chdb import ChdbEngine, Limits
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_analytics.store.person_map import EnginePersonMap
from siyu_analytics.store.schema import statements
from siyu_kit.clock import SystemClock
from siyu_kit.rpc.paging import PageTokens

if TYPE_CHECKING:
    from support.analytics_questions import GivenWatermarks

TESTS = Path(__file__).resolve().parents[1]
SQL = Path(__file__).parent / "sql"
PROJECT: Final = "bench"
EVENTS: Final = int(os.environ.get("EVENTS", "10000000"))
ROUNDS: Final = 3
DAY_MS: Final = 86_400_000
START_MS: Final = 1_790_006_400_000
DAYS: Final = 30
FILL: Final = """
INSERT INTO events (project_id, name, ident_no, time, message_id, string_properties,
  number_properties, received_time, batch_no)
SELECT 'bench' AS project_id,
  ['launch', 'view', 'view', 'view', 'click', 'click', 'deposit', 'trade', 'trade', 'search'][
    1 + sipHash64(number, 1) % 10] AS name,
  toUInt32(1 + pow(sipHash64(number, 2) / 18446744073709551616., 2) * {people}) AS ident_no,
  fromUnixTimestamp64Milli(toInt64({start} + sipHash64(number, 3) % {length}), 'UTC') AS time,
  hex(sipHash64(number, 4)) AS message_id,
  map('channel', ['app', 'web', 'sms', 'ad', 'friend'][1 + sipHash64(number, 5) % 5])
    AS string_properties,
  map('amount', toFloat64(sipHash64(number, 6) % 1000000) / 100) AS number_properties,
  time AS received_time, toUInt64(1 + intDiv(number, 100000)) AS batch_no
FROM numbers({low}, {count})
"""
PEOPLE: Final = """
INSERT INTO {table} SELECT 'bench' AS project_id, toUInt32(number + 1) AS {key},
  {columns}, toUInt64(1) AS sequence FROM numbers({people})
"""
TRAITS: Final = """
INSERT INTO trait (project_id, trait, person_no, type, string_value, number_value, valid_from,
  sequence)
SELECT 'bench', '{trait}', toUInt32(number + 1), {type}, concat('city ', toString(number % 7)),
  number % 80, fromUnixTimestamp64Milli(toInt64(0), 'UTC'), toUInt64(number % 3 + 1)
FROM numbers({people})
"""
MOVED: Final = "toUInt32(if(number % 20 = 0 AND number > 0, number, number + 1)) AS person_no"


def run() -> dict[str, float]:
    """Flat figures."""
    return asyncio.run(_run())


async def _run() -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="siyu-bench-"))
    engine = ChdbEngine(folder, Limits(threads=2, timeout_s=120))
    try:
        return await _measure(engine)
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _fill(engine: ChdbEngine) -> None:
    for statement in statements(duplicate_window_days=0):
        await engine.command(statement)
    people = max(1, EVENTS // 20)
    step = 1_000_000
    for low in range(0, EVENTS, step):
        count = min(step, EVENTS - low)
        length = DAYS * DAY_MS
        await engine.command(
            FILL.format(people=people, start=START_MS, length=length, low=low, count=count)
        )
    named = "lower(hex(toUInt128(number + 1))) AS person_id"
    for table, key, columns in (("person", "person_no", named), ("person_map", "ident_no", MOVED)):
        sql = PEOPLE.format(table=table, key=key, columns=columns, people=people)
        await engine.command(sql)
    for trait, kind in (("city", 1), ("age", 2)):
        await engine.command(TRAITS.format(trait=trait, type=kind, people=people))
    await engine.command("OPTIMIZE TABLE events FINAL")


async def _measure(engine: ChdbEngine) -> dict[str, float]:
    await _fill(engine)
    rpc, person = await _service(engine)
    to_ms = START_MS + DAYS * DAY_MS
    seen = (
        f"project_id = '{PROJECT}' AND batch_no <= {EVENTS}"
        f" AND time >= fromUnixTimestamp64Milli({START_MS}, 'UTC')"
        f" AND time < fromUnixTimestamp64Milli({to_ms}, 'UTC')"
    )
    figures: dict[str, float] = {}
    for model, (call, request) in _questions(rpc).items():
        request.project_id = PROJECT
        request.scope.from_time_ms, request.scope.to_time_ms = START_MS, to_ms
        request.scope.as_of_time_ms = to_ms
        sql = (SQL / f"{model}.sql").read_text(encoding="utf-8").format(person=person, seen=seen)
        took: dict[str, list[float]] = {"rpc": [], "sql": []}
        for turn in range(ROUNDS + 1):
            for name, ask in (("rpc", call), ("sql", engine.query)):
                started = time.perf_counter()
                await (ask(request, None) if name == "rpc" else ask(sql, {}))
                if turn:
                    took[name].append(time.perf_counter() - started)
        figures[f"analytics.{model}.s"] = median(took["rpc"])
        figures[f"analytics.{model}.vs_sql"] = median(took["rpc"]) / median(took["sql"])
    return figures


async def _service(engine: ChdbEngine) -> tuple[AnalyticsServicer, str]:
    sys.path.insert(0, str(TESTS))
    from support.analytics_questions import GivenWatermarks

    watermarks: GivenWatermarks = GivenWatermarks()
    watermarks.state = replace(watermarks.state, batch_no=EVENTS)
    clock = SystemClock()
    persons = EnginePersonMap(engine, clock)
    await persons.refresh(PROJECT, Progress(1, 1, 1, identity_moved=1), needed=0)
    asking = Asking(engine, watermarks, persons, clock)
    cases = use_cases(asking, None, None)  # type: ignore[arg-type]
    rpc = AnalyticsServicer(cases, CellTokens(), PageTokens())
    return rpc, persons.expression(PROJECT, "ident_no")


def _event(name: str) -> cpb.EventFilter:
    return cpb.EventFilter(event_name=name)


def _questions(rpc: AnalyticsServicer) -> dict[str, tuple[Any, Any]]:
    funnel = pb.QueryFunnelRequest(
        steps=[_event(name) for name in ("launch", "view", "deposit", "trade")]
    )
    events = pb.QueryEventsRequest(
        event=_event("trade"),
        granularity=question_pb2.GRANULARITY_DAY,
        measure=pb.MEASURE_SUM,
        measure_property="amount",
        breakdown=question_pb2.Breakdown(event_property="channel"),
    )
    retention = retention_pb2.QueryRetentionRequest(
        initial=[_event("launch")], returning=[_event("trade")], periods=14
    )
    interval = interval_pb2.QueryIntervalRequest(start=_event("view"), goal=_event("trade"))
    distribution = distribution_pb2.QueryDistributionRequest(
        event=_event("view"), bounds=[1, 2, 3, 5, 10, 20]
    )
    sessions = session_pb2.QuerySessionsRequest()
    paths = path_pb2.QueryPathsRequest(target=_event("launch"))
    attribution = attribution_pb2.QueryAttributionRequest(
        target=_event("deposit"),
        amount_property="amount",
        touches=[_event("click")],
        model=attribution_pb2.ATTRIBUTION_MODEL_LINEAR,
        breakdown=question_pb2.Breakdown(event_property="channel"),
    )
    ltv = ltv_pb2.QueryLtvRequest(
        cohort=_event("launch"), granularity=question_pb2.GRANULARITY_DAY, periods=14
    )
    ltv.revenue.add(event=_event("deposit"), property="amount", factor="0.01")
    channels = channel_pb2.QueryChannelsRequest(
        channel=question_pb2.Breakdown(event_property="channel"),
        pages=[_event("view")],
        new_event=_event("launch"),
        open_event=_event("trade"),
        deposit_event=_event("deposit"),
        amount_property="amount",
    )
    heatmap = heatmap_pb2.QueryHeatmapRequest(
        clicks=[_event("click")],
        visits=[_event("search")],
        x_property="amount",
        y_property="amount",
        depth_property="amount",
    )
    attributes = attribute_pb2.QueryAttributesRequest(
        measure=attribute_pb2.ATTRIBUTE_MEASURE_AVERAGE,
        measure_trait="age",
        breakdown=question_pb2.Breakdown(trait="city"),
    )
    return {
        "ltv": (rpc.QueryLtv, ltv),
        "channel": (rpc.QueryChannels, channels),
        "heatmap": (rpc.QueryHeatmap, heatmap),
        "attribute": (rpc.QueryAttributes, attributes),
        "realtime": (rpc.QueryRealtime, realtime_pb2.QueryRealtimeRequest()),
        "funnel": (rpc.QueryFunnel, funnel),
        "events": (rpc.QueryEvents, events),
        "retention": (rpc.QueryRetention, retention),
        "interval": (rpc.QueryInterval, interval),
        "distribution": (rpc.QueryDistribution, distribution),
        "session": (rpc.QuerySessions, sessions),
        "path": (rpc.QueryPaths, paths),
        "attribution": (rpc.QueryAttribution, attribution),
    }
