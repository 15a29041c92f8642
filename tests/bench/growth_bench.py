"""Ten times the events stored: what a batch, its visibility and a question cost then.

A batch should cost the same however much is stored. A question reads what it asks about: ten
times the time is linear. GROWTH_EVENTS is the smaller size.
"""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from door import BATCH, Door, Store, at_rest, doors, freshness, pour, warm_up

from siyu.analytics.v1.analytics_service_pb2 import QueryFunnelRequest
from siyu.condition.v1.condition_pb2 import EventFilter
from siyu_client.client import SiyuClient, call
from siyu_client.platform import Platform

BASE = int(os.environ.get("GROWTH_EVENTS", "100000"))
TIMES = 10
PROJECT = "bulk"
RATE, SECONDS = 2_000, 10
#: Of the batches that are timed; the last ones of each size.
TIMED_EVENTS = 50_000
#: Requests are made before they are sent, and so many fit into memory.
FILLED_AT_ONCE = 500_000
QUESTIONS = 9
STEPS = ("news_view", "quote_view", "deposit")


async def ask(client: SiyuClient) -> float:
    """Seconds of a funnel over everything, the median of some."""
    steps = [EventFilter(event_name=name) for name in STEPS]
    request = QueryFunnelRequest(project_id=PROJECT, steps=steps)
    took = []
    for _ in range(QUESTIONS):
        started = time.monotonic()
        await call(client.analytics.QueryFunnel, request, timeout_s=60)
        took.append(time.monotonic() - started)
    return statistics.median(took)


async def look(
    platform: Platform, client: SiyuClient, door: Door, store: Store, upto: int
) -> dict[str, float]:
    """Fill up to a size and measure there; seconds and MB."""
    for start in range(await store.events(PROJECT), upto - TIMED_EVENTS, FILLED_AT_ONCE):
        size = min(FILLED_AT_ONCE, upto - TIMED_EVENTS - start)
        await pour(door, store, PROJECT, start, size)
    started, _, ended = await pour(door, store, PROJECT, upto - TIMED_EVENTS, TIMED_EVENTS)
    await at_rest(platform)
    waits = await freshness(door, store, PROJECT, RATE, SECONDS)
    return {
        "batch_s": (ended - started) / (TIMED_EVENTS / BATCH),
        "visible_p50_s": statistics.median(waits),
        "visible_p95_s": waits[int(len(waits) * 0.95)],
        "question_s": await ask(client),
    } | {f"rss_mb.{name}": mb for name, mb in platform.resident_mb().items()}


async def measure(platform: Platform) -> dict[str, float]:
    """Both sizes and their ratios."""
    targets = {name: address.target for name, address in platform.addresses.items()}
    tokens = platform.credentials.tokens("bench", ["admin"])
    async with doors(platform) as (door, store), SiyuClient(targets, tokens) as client:
        await warm_up(door, store)
        small = await look(platform, client, door, store, BASE)
        large = await look(platform, client, door, store, BASE * TIMES)
    figures: dict[str, float] = {}
    for name, value in small.items():
        figures[f"growth.{name}.small"] = value
        figures[f"growth.{name}.large"] = large[name]
        figures[f"growth.{name}.ratio"] = large[name] / value
    return figures


def run() -> dict[str, float]:
    """Measure; see the module."""
    with (
        tempfile.TemporaryDirectory(prefix="siyu-bench-") as name,
        Platform(Path(name), projects=[PROJECT]) as platform,
    ):
        return asyncio.run(measure(platform))
