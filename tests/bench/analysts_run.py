"""Fifty analysts over one store: analysts_run.py EVENTS SECONDS prints one line of JSON.

Each asks, reads for a while and asks again: any model, half of the time on the state that all
share (a report that others look at too), half on a view of their own that nobody has asked for.
Then ten panels of one dashboard are asked for at once on a state that is new.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from analytics_run import DAY_MS, DAYS, PROJECT, START_MS, TESTS, fill, move, service
from child import MostHeld

from siyu_analytics.engine.chdb import ChdbEngine, Limits
from siyu_analytics.rpc.servicer import AnalyticsServicer
from siyu_kit.errors import DomainError

ANALYSTS: Final = 50
READING_S: Final = 45.0
"""On average between an answer and the next question."""
PATIENCE_S: Final = 60.0
"""Deadline of a question; the service gives no statement more."""
PANELS: Final = (
    "attribute",
    "distribution",
    "events",
    "funnel",
    "heatmap",
    "interval",
    "ltv",
    "realtime",
    "retention",
    "session",
)


class Analyst:
    """One of them."""

    def __init__(self, rpc: AnalyticsServicer, seed: int) -> None:
        self._rpc = rpc
        self._rng = random.Random(seed)
        self.answered: list[tuple[bool, float]] = []
        """Whether it was on the shared state, and the seconds it took."""
        self.refused = 0

    async def work(self, until: float) -> None:
        """Ask and read until the clock says so."""
        await asyncio.sleep(self._rng.uniform(0, READING_S))
        while time.monotonic() < until:
            shared = self._rng.random() < 0.5
            view_ms = 0 if shared else self._rng.randrange(1, DAY_MS)
            started = time.monotonic()
            try:
                await ask(self._rpc, self._rng.choice(MODELS), view_ms)
                self.answered.append((shared, time.monotonic() - started))
            except DomainError:
                self.refused += 1
            left = max(0.0, until - time.monotonic())
            await asyncio.sleep(min(left, self._rng.expovariate(1 / READING_S)))


async def ask(rpc: AnalyticsServicer, model: str, earlier_ms: int) -> None:
    """One question, on a view that ends so much before the end of all events."""
    method, request = _questions(rpc)[model]
    request.project_id = PROJECT
    end_ms = START_MS + DAYS * DAY_MS
    request.scope.from_time_ms, request.scope.to_time_ms = START_MS, end_ms
    request.scope.as_of_time_ms = end_ms - earlier_ms
    await method(request, None)


def _questions(rpc: AnalyticsServicer) -> dict[str, tuple[Any, Any]]:
    from support.every_question import every_question

    return every_question(rpc)


MODELS: Final = (*PANELS, "attribution", "channel", "path")


async def main(events: int, seconds: float) -> None:
    """Fill, let them work, refresh the dashboard."""
    folder = Path(tempfile.mkdtemp(prefix="siyu-bench-"))
    engine = ChdbEngine(folder, Limits(threads=2, guests=1, timeout_s=PATIENCE_S))
    try:
        await fill(engine, events)
        rpc, persons, results = await service(engine, events, cache_bytes=64_000_000)
        await move(engine, persons, events)
        with MostHeld() as held:
            figures = await _working(rpc, seconds)
        figures["peak_mb"] = held.most / 2**20
        figures["cache_mb"] = results.kept.size / 2**20
        figures["kept_share"] = results.hits / max(1, results.hits + results.misses)
        started = time.monotonic()
        await asyncio.gather(*(ask(rpc, model, DAY_MS + 1) for model in PANELS))
        figures["dashboard_s"] = time.monotonic() - started
        started = time.monotonic()
        await asyncio.gather(*(ask(rpc, model, DAY_MS + 1) for model in PANELS))
        figures["dashboard_again_s"] = time.monotonic() - started
        print(json.dumps(figures))
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _working(rpc: AnalyticsServicer, seconds: float) -> dict[str, float]:
    analysts = [Analyst(rpc, seed) for seed in range(ANALYSTS)]
    until = time.monotonic() + seconds
    await asyncio.gather(*(analyst.work(until) for analyst in analysts))
    answers = [answer for analyst in analysts for answer in analyst.answered]
    figures = {
        "answers": float(len(answers)),
        "refused": float(sum(analyst.refused for analyst in analysts)),
        "fewest_answers": float(min(len(analyst.answered) for analyst in analysts)),
        "slowest_s": max(took for _, took in answers),
    }
    for name, of in (("shared", True), ("own", False)):
        took = [seconds for shared, seconds in answers if shared is of]
        cuts = quantiles(took, n=100)
        figures |= {f"{name}_p50_s": cuts[49], f"{name}_p95_s": cuts[94]}
    return figures


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
