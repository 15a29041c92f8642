"""The analysis models over one store: analytics_run.py EVENTS prints one line of JSON.

Each question and the same answer written by hand for the same engine (``sql/``), in turns, with
nobody moved and with one identifier in twenty standing for another person than its own; and the
most memory that the process held while the question ran.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from child import MostHeld

from siyu_analytics.app.asking import Asking
from siyu_analytics.app.projection_ports import Progress
from siyu_analytics.app.result_cache import ResultCache
from siyu_analytics.engine.chdb import ChdbEngine, Limits
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_analytics.store.person_map import EnginePersonMap
from siyu_analytics.store.schema import statements
from siyu_kit.clock import SystemClock
from siyu_kit.rpc.paging import PageTokens

TESTS = Path(__file__).resolve().parents[1]
SQL = Path(__file__).parent / "sql"
PROJECT: Final = "bench"
ROUNDS: Final = 3
"""Turns of a question that takes seconds; a short one has more, its median would not hold else."""
MOST_ROUNDS: Final = 15
ENOUGH_S: Final = 4.0
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


async def main(events: int) -> None:
    """Fill a store, ask everything, have persons moved, ask again."""
    folder = Path(tempfile.mkdtemp(prefix="siyu-bench-"))
    engine = ChdbEngine(folder, Limits(threads=2, timeout_s=120))
    try:
        await fill(engine, events)
        rpc, persons, _ = await service(engine, events)
        figures = {"own": await _measure(engine, rpc, persons, events)}
        await move(engine, persons, events)
        figures["moved"] = await _measure(engine, rpc, persons, events)
        print(json.dumps(figures))
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


def _people(events: int) -> int:
    return max(1, events // 20)


async def fill(engine: ChdbEngine, events: int) -> None:
    """Lay down events, persons and traits."""
    for statement in statements(duplicate_window_days=0):
        await engine.command(statement)
    people = _people(events)
    step = 1_000_000
    for low in range(0, events, step):
        count = min(step, events - low)
        length = DAYS * DAY_MS
        await engine.command(
            FILL.format(people=people, start=START_MS, length=length, low=low, count=count)
        )
    named = "lower(hex(toUInt128(number + 1))) AS person_id"
    sql = PEOPLE.format(table="person", key="person_no", columns=named, people=people)
    await engine.command(sql)
    for trait, kind in (("city", 1), ("age", 2)):
        await engine.command(TRAITS.format(trait=trait, type=kind, people=people))
    await engine.command("OPTIMIZE TABLE events FINAL")


async def move(engine: ChdbEngine, persons: EnginePersonMap, events: int) -> None:
    """Give one identifier in twenty to another person."""
    sql = PEOPLE.format(table="person_map", key="ident_no", columns=MOVED, people=_people(events))
    await engine.command(sql)
    await persons.refresh(PROJECT, Progress(1, 1, 1, identity_moved=1), needed=1)


async def _measure(
    engine: ChdbEngine, rpc: AnalyticsServicer, persons: EnginePersonMap, events: int
) -> dict[str, dict[str, float]]:
    to_ms = START_MS + DAYS * DAY_MS
    from support.every_question import every_question

    map_now = await persons.at(PROJECT, 3)
    seen = (
        f"project_id = '{PROJECT}' AND batch_no <= {events}"
        f" AND time >= fromUnixTimestamp64Milli({START_MS}, 'UTC')"
        f" AND time < fromUnixTimestamp64Milli({to_ms}, 'UTC')"
    )
    figures: dict[str, dict[str, float]] = {}
    for model, (call, request) in every_question(rpc).items():
        request.project_id = PROJECT
        request.scope.from_time_ms, request.scope.to_time_ms = START_MS, to_ms
        request.scope.as_of_time_ms = to_ms
        sql = (
            (SQL / f"{model}.sql")
            .read_text(encoding="utf-8")
            .format(
                person=map_now.person,
                seen=seen,
                population=map_now.population.replace("{project_id:String}", f"'{PROJECT}'"),
                as_of=to_ms,
            )
        )
        took: dict[str, list[float]] = {"rpc": [], "sql": []}
        peaks: list[float] = []
        for turn in range(MOST_ROUNDS + 1):
            if turn > ROUNDS and sum(took["rpc"]) > ENOUGH_S:
                break
            for name, ask in (
                ("rpc", partial(call, request, None)),
                ("sql", partial(engine.query, sql, {})),
            ):
                seconds, peak = await _timed(ask)
                if turn:
                    took[name].append(seconds)
                    peaks += [peak] if name == "rpc" else []
        figures[model] = {
            "rpc_s": median(took["rpc"]),
            "sql_s": median(took["sql"]),
            "peak_mb": max(peaks),
        }
    return figures


async def _timed(ask: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Seconds of a call, and the most megabytes the process held meanwhile."""
    with MostHeld() as held:
        started = time.perf_counter()
        await ask()
        took = time.perf_counter() - started
    return took, held.most / 2**20


async def service(
    engine: ChdbEngine, events: int, *, cache_bytes: int = 0
) -> tuple[AnalyticsServicer, EnginePersonMap, ResultCache]:
    """The RPCs over an engine."""
    from support.analytics_questions import GivenWatermarks

    watermarks: GivenWatermarks = GivenWatermarks()
    watermarks.state = replace(watermarks.state, batch_no=events)
    clock = SystemClock()
    persons = EnginePersonMap(engine, clock)
    results = ResultCache(cache_bytes)
    asking = Asking(engine, watermarks, persons, clock, results=results)
    cases = use_cases(asking, None, None)  # type: ignore[arg-type]
    return AnalyticsServicer(cases, CellTokens(), PageTokens()), persons, results


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    asyncio.run(main(int(sys.argv[1])))
