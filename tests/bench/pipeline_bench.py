"""From the door to a query: throughput, freshness and memory of the whole platform.

All services run as processes on the embedded stores of this machine, and so does the client. A
figure ends when GetWatermark counts the last event, that is, when queries see it.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from door import Door, Store, at_rest, doors, freshness, pour, warm_up

from siyu_client.platform import Platform

#: Long enough that start-up, caches and the last batch do not decide.
EVENTS = 1_000_000
RATES = {2_000: "", 10_000: "_at_10k"}
"""Events a second, and what their figures are called by."""
RATE_SECONDS = 20


async def throughput(door: Door, store: Store) -> dict[str, float]:
    """Send as fast as the door takes, wait for the last event."""
    await warm_up(door, store)
    started, taken, ended = await pour(door, store, "bulk", 0, EVENTS)
    return {
        "pipeline.events_per_s": EVENTS / (ended - started),
        "pipeline.door_events_per_s": EVENTS / (taken - started),
        "pipeline.sink_behind_s": ended - taken,
    }


async def visible(door: Door, store: Store) -> dict[str, float]:
    """Freshness at each rate; the lower rate has the plain names."""
    figures: dict[str, float] = {}
    for rate, name in RATES.items():
        waits = await freshness(door, store, "bulk", rate, RATE_SECONDS)
        figures |= {
            f"pipeline.visible{name}_p50_s": waits[len(waits) // 2],
            f"pipeline.visible{name}_p95_s": waits[int(len(waits) * 0.95)],
            f"pipeline.visible{name}_max_s": waits[-1],
        }
    return figures


async def measure(platform: Platform) -> dict[str, float]:
    """All figures of one running platform."""
    async with doors(platform) as (door, store):
        figures = await throughput(door, store)
        await at_rest(platform)
        figures |= await visible(door, store)
        figures |= {f"rss_mb.{name}.loaded": mb for name, mb in platform.resident_mb().items()}
    return figures


def run() -> dict[str, float]:
    """Measure; see the module."""
    with (
        tempfile.TemporaryDirectory(prefix="siyu-bench-") as name,
        Platform(Path(name), projects=["bulk"]) as platform,
    ):
        time.sleep(3)
        return asyncio.run(measure(platform))
