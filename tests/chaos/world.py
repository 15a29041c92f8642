"""The whole platform with everything that can go wrong within reach."""

import asyncio
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from redis.asyncio import Redis

from chaos.fault_proxy import FaultProxy
from chaos.small_disk import mount, unmount
from siyu_client.client import SiyuClient
from siyu_client.platform import Platform
from siyu_client.platform.process import ProcessError
from siyu_client.platform.services import SERVICES
from siyu_kit.sql.engine import Database
from siyu_kit.stream.redis import RedisStreamStore
from support.push_receiver import PushReceiver
from support.tree import WITH_DATABASE

LOAD: Final = "load"
"""Project of plain events: nothing but what the senders sent is stored in it."""
LOOP: Final = "loop"
"""Project of persons, segments and campaigns, whose events come back by themselves."""
NAMES: Final = tuple(spec.name for spec in SERVICES)
ON_TMPFS: Final = ("profile", "redis")
"""Whose data lies on a small disk of its own, so that it can be filled, if mounting is allowed."""


def answer_of(key: str, call: int) -> str:
    """The script of the receiver: one message in sixteen meets a fault, at its first call."""
    faults = {"0": "drop", "1": "500", "2": "429", "3": "400"}
    return faults.get(key[1], "200") if key[0] == "0" and call == 1 else "200"


@dataclass(slots=True)
class Recovery:
    """Seconds from a service's death until it was ready, and until it had caught up."""

    service: str
    ready_s: float
    caught_up_s: float = 0.0


@dataclass
class World:
    """Starts as an async context manager. ``databases`` replaces SQLite by given URLs."""

    folder: Path
    databases: Mapping[str, str] = field(default_factory=dict)
    database_port: int = 0
    """Port of the PostgreSQL server behind ``databases``, which then are reached by a proxy."""
    recoveries: list[Recovery] = field(default_factory=list)
    why: str = ""
    """Why a service did not start, when one did not."""

    async def __aenter__(self) -> Self:
        self.receiver = PushReceiver(answer_of)
        await self.receiver.start()
        receiver_port = int(self.receiver.url.rpartition(":")[2].partition("/")[0])
        self.extra: dict[str, dict[str, str]] = {name: {} for name in NAMES}
        self.platform = Platform(self.folder / "platform", projects=(LOAD, LOOP), extra=self.extra)
        redis_port = int(self.platform.stream_url.rpartition(":")[2].partition("/")[0])
        self.redis = await FaultProxy(redis_port).__aenter__()
        self.push = await FaultProxy(receiver_port).__aenter__()
        self.sql = await FaultProxy(self.database_port or receiver_port).__aenter__()
        for name in NAMES:
            self._set_up(name)
        self.disks = [name for name in ON_TMPFS if mount(self.platform.folder / name)]
        await asyncio.to_thread(self.platform.start)
        targets = {name: address.target for name, address in self.platform.addresses.items()}
        tokens = self.platform.credentials.tokens("chaos", ["admin"], [LOAD, LOOP])
        approver = self.platform.credentials.tokens("approver", ["operator", "steward"], [LOOP])
        self.client = SiyuClient(targets, tokens)
        self.approver = SiyuClient(targets, approver)
        # The harness looks around the faults, not through them.
        self.stream = RedisStreamStore(self.platform.stream_url)
        self.stores = {name: Database(self.database_url(name)) for name in WITH_DATABASE}
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.platform.processes.values():
            if process.running:
                process.send(signal.SIGCONT)
        await asyncio.to_thread(self.platform.stop)
        for client in (self.client, self.approver):
            await client.__aexit__(None, None, None)
        for store in self.stores.values():
            await store.aclose()
        await self.stream.aclose()
        for proxy in (self.redis, self.push, self.sql):
            await proxy.aclose()
        await self.receiver.stop()
        for name in self.disks:
            unmount(self.platform.folder / name)

    def database_url(self, name: str) -> str:
        """The database of a service, without a proxy."""
        default = f"sqlite+aiosqlite:///{self.platform.folder / name / 'state.db'}"
        return self.databases.get(name, default)

    def arm(self, name: str, spec: str) -> None:
        """What the failpoints of a service do from now on; empty: nothing."""
        file = self._failpoints(name)
        fresh = file.with_suffix(".new")
        fresh.write_text(spec, encoding="utf-8")
        fresh.replace(file)

    def hits(self) -> set[tuple[str, str]]:
        """Every (failpoint, word) that any process has written down."""
        if not self._hits.exists():
            return set()
        lines = self._hits.read_text(encoding="utf-8").splitlines()
        return {(name, word) for name, _, word in (line.partition("\t") for line in lines)}

    def running(self, name: str) -> bool:
        """Whether the service's process lives."""
        return self.platform.processes[name].running

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a service's process."""
        self.platform.processes[name].send(number)

    async def died(self, name: str, within_s: float) -> bool:
        """Wait for a service to die by itself; tells whether it did."""
        deadline = time.monotonic() + within_s
        while self.running(name):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def kill(self, name: str) -> None:
        """End a service, or the stream server, as a crash does."""
        await asyncio.to_thread(self.platform.processes[name].kill)

    async def start(self, name: str) -> bool:
        """Start a dead service and await it; False when it died again before it was ready."""
        try:
            await asyncio.to_thread(self.platform.restart, name)
        except ProcessError as error:
            self.why = str(error)
            return False
        return True

    async def revive(self, name: str) -> Recovery:
        """Disarm a dead service, start it, and note how long that took."""
        self.arm(name, "")
        died = time.monotonic()
        if not await self.start(name):
            raise AssertionError(f"{name} does not start: {self.why}")
        recovery = Recovery(name, time.monotonic() - died)
        self.recoveries.append(recovery)
        return recovery

    async def restart_redis(self) -> None:
        """Start the stream server again on its data."""
        await asyncio.to_thread(self.platform.restart_stream_server)

    async def redis_call(self, *command: str | bytes) -> object:
        """A command of the stream server's own, around the proxy."""
        # A connection of its own: one from before may have died with the server.
        async with Redis.from_url(self.platform.stream_url, socket_timeout=30) as client:
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]

    def tail(self, name: str) -> str:
        """The end of a service's log."""
        return self.platform.processes[name].last_lines(30)

    def _set_up(self, name: str) -> None:
        settings = self.extra[name]
        settings["SIYU_STREAM_URL"] = f"redis://127.0.0.1:{self.redis.port}/0"
        settings["SIYU_FAILPOINTS_FILE"] = str(self._failpoints(name))
        settings["SIYU_FAILPOINTS_HITS"] = str(self._hits)
        if name in self.databases:
            direct = self.databases[name]
            settings["SIYU_DATABASE_URL"] = direct.replace(
                f":{self.database_port}/", f":{self.sql.port}/"
            )
        if name == "touch":
            settings["SIYU_TOUCH_PUSH_URL"] = f"http://127.0.0.1:{self.push.port}/push"
            settings["SIYU_TOUCH_PUSH_BATCH"] = "20"
            settings["SIYU_TOUCH_PUSH_TIMEOUT_S"] = "2"

    def _failpoints(self, name: str) -> Path:
        return self.folder / f"failpoints.{name}"

    @property
    def _hits(self) -> Path:
        return self.folder / "failpoints.hits"
