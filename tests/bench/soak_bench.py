"""Half of the peak for SOAK_S seconds: memory must stay flat and no queue may grow.

The peak is what the platform takes from the door to a query just before, in the same run.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1]))

from door import AT_ONCE, BATCH, Door, doors, make_event, pour, warm_up

from chaos.settling import FEEDS, unpublished
from siyu.analytics.v1.analytics_service_pb2 import GetReconciliationRequest
from siyu.collect.v1.collect_service_pb2 import IngestRequest
from siyu_client.client import SiyuClient, call
from siyu_client.platform import Platform
from siyu_client.platform.services import PARTITIONS
from siyu_kit.sql.engine import Database
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import EVENTS

SECONDS = float(os.environ.get("SOAK_S", "60"))
PEAK_EVENTS = 300_000
PROJECT = "bulk"
EVERY_S = 2.0
#: Share of the samples at either end that is compared.
ENDS = 0.2
_MARK = b"@@@@@@@@"


def endless(templates: int = 50) -> Iterator[bytes]:
    """Batches with ids of their own, made by putting a number into prepared ones."""
    now_ms = time.time_ns() // 1_000_000
    prepared = []
    for number in range(templates):
        events = [make_event(number * BATCH + i, now_ms) for i in range(BATCH)]
        for event in events:
            event.message_id = _MARK.decode() + event.message_id[len(_MARK) :]
        request = IngestRequest(project_id=PROJECT, events=events)
        prepared.append(request.SerializeToString())
    turn = 0
    while True:
        turn += 1
        for one in prepared:
            yield one.replace(_MARK, f"{turn:08x}".encode())


async def steadily(door: Door, rate: float, seconds: float) -> int:
    """Send at a rate, a few at once; how many events were taken."""
    started, sent = time.monotonic(), 0
    batches = endless()

    async def sender() -> None:
        nonlocal sent
        while (due := started + sent / rate) < started + seconds:
            sent += BATCH
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() > started + seconds:
                sent -= BATCH
                return
            await door.send(next(batches), BATCH)

    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    return sent


async def queues(
    client: SiyuClient, stream: RedisStreamStore, databases: Mapping[str, Database]
) -> dict[str, float]:
    """What waits: events not yet stored, entries of the log that a reader has not read yet (or
    that are not trimmed yet), and rows of each feed not yet published.
    """
    request = GetReconciliationRequest(project_id=PROJECT)
    account = await call(client.analytics.GetReconciliation, request, timeout_s=20)
    lengths = [await stream.length(EVENTS.name, number) for number in range(PARTITIONS)]
    waiting = {"events": float(account.pending), "log_entries": float(sum(lengths))}
    for name, database in databases.items():
        waiting[f"feed_{name}"] = float(await unpublished(database, FEEDS[name].name))
    return waiting


async def watch(
    platform: Platform,
    client: SiyuClient,
    stream: RedisStreamStore,
    databases: Mapping[str, Database],
    samples: list[dict[str, float]],
) -> None:
    """Take a sample now and then, until cancelled."""
    while True:
        rss = {f"rss_mb.{name}": mb for name, mb in platform.resident_mb().items()}
        waiting = await queues(client, stream, databases)
        samples.append(rss | {f"queue.{name}": number for name, number in waiting.items()})
        await asyncio.sleep(EVERY_S)


def figures_of(samples: list[dict[str, float]]) -> dict[str, float]:
    """Memory at both ends and its growth; the queues at both ends and at their longest."""
    count = max(1, int(len(samples) * ENDS))
    figures: dict[str, float] = {}
    for name in samples[0]:
        values = [sample[name] for sample in samples]
        start, end = mean(values[:count]), mean(values[-count:])
        figures |= {f"soak.{name}.start": start, f"soak.{name}.end": end}
        if name.startswith("rss"):
            figures[f"soak.{name}.ratio"] = end / start
        else:
            figures[f"soak.{name}.max"] = max(values)
    return figures


async def measure(platform: Platform) -> dict[str, float]:
    """The peak, then half of it for long."""
    targets = {name: address.target for name, address in platform.addresses.items()}
    tokens = platform.credentials.tokens("bench", ["admin"])
    databases = {
        name: Database(f"sqlite+aiosqlite:///{platform.folder / name / 'state.db'}")
        for name in FEEDS
    }
    stream = RedisStreamStore(platform.stream_url)
    samples: list[dict[str, float]] = []
    async with doors(platform) as (door, store), SiyuClient(targets, tokens) as client:
        await warm_up(door, store)
        began, _, ended = await pour(door, store, PROJECT, 0, PEAK_EVENTS)
        rate = PEAK_EVENTS / (ended - began) / 2
        watching = asyncio.create_task(watch(platform, client, stream, databases, samples))
        sent = await steadily(door, rate, SECONDS)
        over = time.monotonic()
        while await store.events(PROJECT) < PEAK_EVENTS + sent:
            await asyncio.sleep(0.02)
        behind_s = time.monotonic() - over
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    await stream.aclose()
    for database in databases.values():
        await database.aclose()
    return {
        "soak.seconds": SECONDS,
        "soak.wanted_events_per_s": rate,
        "soak.events_per_s": sent / SECONDS,
        "soak.behind_at_end_s": behind_s,
    } | figures_of(samples)


def run() -> dict[str, float]:
    """Measure; see the module."""
    with (
        tempfile.TemporaryDirectory(prefix="siyu-bench-") as name,
        Platform(Path(name), projects=[PROJECT]) as platform,
    ):
        return asyncio.run(measure(platform))
