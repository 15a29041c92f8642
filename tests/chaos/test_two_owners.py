"""Two processes started as the owner of one partition: one works, the other is fenced.

The effect is a sum, so whatever were applied twice would stay visible. The processes share a real
database and a real stream server; the one that stands still, for longer than its lease lasts,
wakes up believing that it still owns what it owned.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from chaos import counting_reader
from chaos.counting_reader import PARTITIONS, TTL_S, total
from siyu_kit.sql.engine import Database
from siyu_kit.sql.tables import lease
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import EVENTS

pytestmark = [pytest.mark.integration]


class Scene:
    """The two stores, who reads them, and how much was sent."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.urls = (database_url, redis_url)
        self.database = Database(database_url)
        self.stream = RedisStreamStore(redis_url)
        self.sent = 0
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, holder: str, failpoints: str = "") -> asyncio.subprocess.Process:
        settings = {"SIYU_FAILPOINTS": failpoints} if failpoints else {}
        log = (self.folder / f"{holder}.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable, counting_reader.__file__, str(self.folder), *self.urls, holder,
            env=os.environ | settings,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        log.close()
        self.processes[holder] = process
        await self.until(lambda: self.exists(holder), 20)
        return process

    async def exists(self, holder):
        return (self.folder / f"{holder}.ready").exists()

    async def send(self, entries: int = 40) -> None:
        for partition in range(PARTITIONS):
            batch = [NewEntry(b"x", count=number + 1) for number in range(entries)]
            await self.stream.append(EVENTS.name, partition, batch)
            self.sent += sum(entry.count for entry in batch)

    async def read(self) -> dict[str, int]:
        """Messages by holder."""
        async with self.database.session() as session:
            rows = await session.execute(select(total.c.holder, total.c.messages))
            found: dict[str, int] = {}
            for holder, messages in rows:
                found[holder] = found.get(holder, 0) + messages
            return found

    async def owners(self) -> dict[str, str]:
        async with self.database.session() as session:
            rows = await session.execute(select(lease.c.name, lease.c.holder))
            return {name: holder for name, holder in rows if name.startswith("reader.")}

    async def all_read(self) -> bool:
        return sum((await self.read()).values()) >= self.sent

    async def owned_by(self, holder: str) -> bool:
        return list((await self.owners()).values()) == [holder] * PARTITIONS

    async def until(self, holds, within_s: float = 15.0) -> None:
        deadline = time.monotonic() + within_s
        while not await holds():
            assert time.monotonic() < deadline, (await self.read(), await self.owners(), self.sent)
            await asyncio.sleep(0.05)

    async def stop_between_transactions(self, process: asyncio.subprocess.Process) -> None:
        """SIGSTOP at a moment when nobody else is kept from writing."""
        for _ in range(200):
            process.send_signal(signal.SIGSTOP)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1), self.database.transaction() as session:
                    await session.execute(delete(lease).where(lease.c.name == ""))
                    return
            process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.02)
        raise AssertionError("it was never between two transactions")

    def log(self, holder: str) -> str:
        return (self.folder / f"{holder}.log").read_text()


@asynccontextmanager
async def scene_of(folder, database_url, redis_url):
    scene = Scene(folder, database_url, redis_url)
    await counting_reader.prepare(scene.database)
    try:
        yield scene
    finally:
        for process in scene.processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()
        await scene.stream.aclose()
        await scene.database.aclose()


@pytest.fixture
async def scene(tmp_path, database_url, redis_url):
    async with scene_of(tmp_path, database_url, redis_url) as running:
        yield running


async def test_the_second_stands_by_and_takes_over_when_the_first_dies(scene):
    first = await scene.start("east")
    await scene.until(lambda: scene.owned_by("east"))
    await scene.start("west")
    await scene.send()
    await scene.until(scene.all_read)
    assert await scene.read() == {"east": scene.sent}

    first.send_signal(signal.SIGKILL)
    await first.wait()
    await scene.send()
    await scene.until(scene.all_read)
    assert sum((await scene.read()).values()) == scene.sent
    assert await scene.owned_by("west")


async def test_a_holder_that_was_paused_wakes_up_fenced(scene):
    first = await scene.start("east")
    await scene.until(lambda: scene.owned_by("east"))
    await scene.send()
    await scene.until(scene.all_read)
    await scene.start("west")
    # Stopped between two transactions: a holder that sleeps within one holds SQLite's only lock.
    await scene.until(lambda: scene.owned_by("east"))
    await scene.stop_between_transactions(first)
    await scene.send()
    await scene.until(lambda: scene.owned_by("west"), 30)
    await scene.until(scene.all_read)

    first.send_signal(signal.SIGCONT)
    for _ in range(10):
        await scene.send(10)
        await asyncio.sleep(TTL_S / 5)
    await scene.until(scene.all_read)
    assert sum((await scene.read()).values()) == scene.sent
    assert await scene.owned_by("west")
    assert "partition_lost" in scene.log("east")


async def test_a_transaction_that_outlasts_its_lease_leaves_nothing(
    tmp_path, postgres_url, redis_url
):
    """The worst place to stand still: the effect is made, the fence is still to come."""
    async with scene_of(tmp_path, postgres_url, redis_url) as scene:
        await scene.start("east", f"apply.after_handle=nth(2):sleep({TTL_S * 6})")
        await scene.until(lambda: scene.owned_by("east"))
        await scene.start("west")
        assert await scene.owned_by("east")
        await scene.send(20)
        await scene.until(lambda: scene.owned_by("west"), 30)
        await scene.until(scene.all_read, 30)
        await scene.send(10)
        await scene.until(lambda: lost(scene), 30)
        await scene.until(scene.all_read)
        assert sum((await scene.read()).values()) == scene.sent
        assert await scene.owned_by("west")


async def lost(scene):
    return "partition_lost" in scene.log("east")


async def test_two_processes_of_one_host_take_turns_and_double_nothing(scene):
    """A restarted process takes its own place back at once, also from one that is not dead."""
    await scene.start("host")
    await scene.until(lambda: scene.owned_by("host"))
    await scene.send()
    (scene.folder / "host.ready").unlink()
    first = scene.processes.pop("host")
    try:
        await scene.start("host")
        for _ in range(10):
            await scene.send(10)
            await asyncio.sleep(0.1)
        await scene.until(scene.all_read)
    finally:
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert sum((await scene.read()).values()) == scene.sent
    assert "partition_lost" in scene.log("host")
