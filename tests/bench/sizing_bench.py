"""What events, persons and stored days cost, and whether twice of them cost what that says.

The whole platform on PostgreSQL and Redis of this machine is filled, left alone, and given a
steady rate; then once more with twice the persons, twice the stored events and twice the rate.
Each figure of the second time stands beside what the first foretold: a service's processor seconds
are those of an idle one and a price per event; stored bytes are a price per event or per person.
``docs/operations.md`` makes its table of these prices.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

import psutil
from child import figures_of
from door import BATCH, BATCHES_PER_S, Door, at_rest, doors, make_event, warm_up
from sqlalchemy import text

from siyu.collect.v1.collect_service_pb2 import IngestRequest
from siyu.event.v1.event_pb2 import EVENT_KIND_PROFILE_SET, Event
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_client.platform import Platform
from siyu_kit.sql.engine import Database
from siyu_kit.testing.postgres import PostgresServer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.tree import WITH_DATABASE

PROJECT = "bulk"
PERSONS = int(os.environ.get("SIZING_PERSONS", "40000"))
EVENTS = int(os.environ.get("SIZING_EVENTS", "400000"))
RATE = int(os.environ.get("SIZING_RATE", "1000"))
RATE_S, IDLE_S = 40, 20
AT_ONCE = 4
"""Requests on their way while filling."""


def profile_of(person: int, now_ms: int) -> Event:
    """What an account system says of a customer, once: five traits."""
    return Event(
        message_id=f"profile-{person}",
        ids=[Identifier(type="customer_no", value=f"C{person:08d}")],
        kind=EVENT_KIND_PROFILE_SET,
        event_time_ms=now_ms - 1_000,
        string_properties={"branch": f"branch-{person % 50}", "level": "gold", "city": "杭州"},
        number_properties={"age": person % 60 + 20, "assets": person * 17 % 1_000_000},
    )


def payloads(events: Sequence[Event], size: int) -> list[bytes]:
    """Serialized requests of so many events each."""
    return [
        IngestRequest(project_id=PROJECT, events=part).SerializeToString()
        for part in _parts(events, size)
    ]


def _parts(events: Sequence[Event], size: int) -> Iterator[Sequence[Event]]:
    return (events[start : start + size] for start in range(0, len(events), size))


async def fill(door: Door, first: int, last: int, persons: range) -> None:
    """Send events ``first`` to ``last`` of all persons, and the profiles of the new ones."""
    now_ms = time.time_ns() // 1_000_000
    for start in range(first, last, 100_000):
        upto = min(start + 100_000, last)
        events = [make_event(i, now_ms, persons.stop) for i in range(start, upto)]
        if start == first:
            events += [profile_of(person, now_ms) for person in persons]
        waiting = iter(list(_parts(events, BATCH)))

        async def sender(waiting=waiting) -> None:
            for part in waiting:
                request = IngestRequest(project_id=PROJECT, events=part)
                await door.send(request.SerializeToString(), len(part))

        await asyncio.gather(*(sender() for _ in range(AT_ONCE)))


async def steadily(door: Door, first: int, rate: int, persons: int) -> None:
    """Send at a rate for RATE_S, of known persons; made before, so that only sending counts."""
    now_ms = time.time_ns() // 1_000_000
    events = [make_event(i, now_ms, persons) for i in range(first, first + rate * RATE_S)]
    size = rate // BATCHES_PER_S
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, payload in enumerate(payloads(events, size)):
            due = started + number / BATCHES_PER_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(door.send(payload, size))


class Meter:
    """Processor seconds and memory of the platform's processes, and of PostgreSQL's as one."""

    def __init__(self, platform: Platform, server: PostgresServer) -> None:
        self._platform, self._postmaster = platform, psutil.Process(server.pid)

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far."""
        used = {
            name: sum(psutil.Process(process.pid).cpu_times()[:2])
            for name, process in self._platform.processes.items()
        }
        # Of children that ended their parent keeps what they used.
        own = sum(self._postmaster.cpu_times())
        living = self._postmaster.children(recursive=True)
        return used | {"postgresql": own + sum(sum(one.cpu_times()[:2]) for one in living)}

    def memory_mb(self) -> dict[str, float]:
        """Resident memory; PostgreSQL's shared pages once."""
        family = [self._postmaster, *self._postmaster.children(recursive=True)]
        server = sum(one.memory_full_info().uss for one in family) / 1e6
        return self._platform.resident_mb() | {"postgresql": server}


async def seconds_of(meter: Meter, work: Awaitable[None]) -> tuple[float, dict[str, float]]:
    """How long the work took, and the processor seconds that each process used meanwhile."""
    before, started = meter.cpu_s(), time.monotonic()
    await work
    took = time.monotonic() - started
    return took, {name: used - before[name] for name, used in meter.cpu_s().items()}


async def live(platform: Platform, meter: Meter, times: int) -> dict[str, dict[str, float]]:
    """Fill up to ``times`` the size, rest, then take ``times`` the rate."""
    persons, rate = PERSONS * times, RATE * times
    first = (EVENTS + RATE * RATE_S) * (times - 1)
    upto = (EVENTS + RATE * RATE_S) * times - rate * RATE_S
    async with doors(platform) as (door, store):
        await warm_up(door, store)
        await fill(door, first, upto, range(PERSONS * (times - 1), persons))
        await at_rest(platform)
        idle_s, idle = await seconds_of(meter, asyncio.sleep(IDLE_S))

        async def loaded() -> None:
            await steadily(door, upto, rate, persons)
            while await store.events(PROJECT) < upto + rate * RATE_S:
                await asyncio.sleep(0.1)
            await at_rest(platform)

        took, used = await seconds_of(meter, loaded())
    idle_cores = {name: seconds / idle_s for name, seconds in idle.items()}
    return {
        "idle_cores": idle_cores,
        "used_s": used,
        "took_s": dict.fromkeys(used, took),
        "ms_per_1k": {
            name: (seconds - idle_cores[name] * took) / (rate * RATE_S) * 1e6
            for name, seconds in used.items()
        },
        "rss_mb": meter.memory_mb(),
    }


async def stored(folder: Path, urls: dict[str, str]) -> dict[str, float]:
    """Bytes that each store keeps, while no service runs."""
    sizes = {f"db_{name}": float(await _database_bytes(url)) for name, url in urls.items()}
    return sizes | {
        "engine": figures_of("sizing_engine.py", str(folder / "analytics/engine"))["bytes"]
    }


async def _database_bytes(url: str) -> int:
    database = Database(url, pool_size=1)
    try:
        async with database.session() as session:
            found = await session.execute(text("SELECT pg_database_size(current_database())"))
            return int(found.scalar_one())
    finally:
        await database.aclose()


def foretold(
    once: dict[str, dict[str, float]], twice: dict[str, dict[str, float]]
) -> dict[str, float]:
    """Processor seconds of the second run against what the first one's prices say."""
    events = 2 * RATE * RATE_S
    figures, all_told, all_used = {}, 0.0, 0.0
    for name, used in twice["used_s"].items():
        told = once["idle_cores"][name] * twice["took_s"][name]
        told += once["ms_per_1k"][name] * events / 1e6
        figures[f"sizing.cpu.{name}.vs_foretold"] = used / told
        all_told, all_used = all_told + told, all_used + used
    return figures | {"sizing.cpu.vs_foretold": all_used / all_told}


async def measure(folder: Path, server: PostgresServer) -> dict[str, float]:
    """Both sizes, and how the second compares."""
    urls = {name: server.url(server.create_database()) for name in WITH_DATABASE}
    extra = {name: {"SIYU_DATABASE_URL": url} for name, url in urls.items()}
    runs, sizes = [], []
    for times in (0, 1, 2):
        with Platform(folder, projects=[PROJECT], extra=extra) as platform:
            if times:
                runs.append(await live(platform, Meter(platform, server), times))
        sizes.append(await stored(folder, urls))
    figures = {
        f"sizing.{what}.{name}": value
        for what in ("idle_cores", "ms_per_1k")
        for name, value in runs[0][what].items()
    }
    for times, run in enumerate(runs, 1):
        figures |= {f"sizing.rss_mb_x{times}.{name}": mb for name, mb in run["rss_mb"].items()}
    figures |= foretold(*runs)
    events = EVENTS + RATE * RATE_S
    for name, size in sizes[1].items():
        grown, divisor = size - sizes[0][name], events if name == "engine" else PERSONS
        figures[f"sizing.bytes.{name}"] = grown / divisor
        figures[f"sizing.disk.{name}.vs_foretold"] = sizes[2][name] / (size + grown)
    return figures


def run() -> dict[str, float]:
    """Measure; see the module."""
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory(prefix="siyu-bench-") as name:
            return asyncio.run(measure(Path(name), server))
    finally:
        server.stop()
