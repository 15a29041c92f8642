"""What the nemesis does to the platform. Each fault ends with everything running and healed."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Final

from chaos.fault_proxy import Fault, FaultProxy
from chaos.journal import Journal
from chaos.settling import FEEDS, settled
from chaos.small_disk import full
from chaos.world import NAMES, World
from siyu_client.platform.process import ChildProcess
from siyu_client.platform.services import SERVICES, environment
from siyu_kit.failpoints.registry import FAILPOINTS
from siyu_kit.stream.topics import EVENTS, stream_key

AT_START: Final = {
    "migration.start", "migration.before_commit",
    "lease.before_acquire_commit", "lease.after_acquire",
}  # fmt: skip
"""Passed by a process that starts."""
REACH_S: Final = 90.0
FAKETIME: Final = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
JUMPS: Final = {"touch": ("-3600",)} | dict.fromkeys(
    ("collect", "identity", "profile", "segment"), ("-3600", "+3600")
)
"""Seconds by which clocks jump. Touch's never runs ahead: what is planned then is due only then."""
NETWORK: Final = (
    Fault.LATENCY, Fault.RESET, Fault.REFUSE, Fault.BLACKHOLE, Fault.ONE_WAY, Fault.DRIP,
    Fault.HALF_OPEN, Fault.CORRUPT,
)  # fmt: skip


class Faults:
    """The faults by name; each returns the services it may have set back."""

    def __init__(self, world: World, journal: Journal, random: Random) -> None:
        self._world = world
        self._journal = journal
        self._random = random
        self.letters: Counter[str] = Counter()
        """Dead letters that were planted, by reader."""
        self.skipped: dict[str, str] = {}
        """Faults that this machine does not allow, with the reason."""

    def available(self) -> dict[str, Callable[[], Coroutine[None, None, list[str]]]]:
        """What may be picked."""
        faults = {
            "kill": self.kill, "pause": self.pause, "network": self.network,
            "receiver": self.receiver, "redis_killed": self.redis_killed,
            "flush_feeds": self.flush_feeds, "flush_all": self.flush_all, "rival": self.rival,
            "clock": self.clock, "disk_full": self.disk_full,
        }  # fmt: skip
        if FAKETIME is None:
            self.skipped["clock"] = "libfaketime is not installed (Debian: faketime)"
        if not self._world.disks:
            self.skipped["disk_full"] = "mounting a tmpfs is not permitted here"
        if self._world.databases:
            faults["database"] = self.database
        return {name: fault for name, fault in faults.items() if name not in self.skipped}

    async def failpoint(self, name: str, service: str) -> list[str]:
        """Die at a failpoint; raises AssertionError when it is not reached."""
        point = FAILPOINTS[name]
        if name in AT_START:
            self._world.arm(service, f"{name}=once:kill")
            await self._world.kill(service)
            await self._start_into(service, name)
        elif point.first:
            self._world.arm(service, f"{point.first}=once:kill;{name}=once:kill")
            await self._reach(service, point.first)
            await self._start_into(service, name)
        else:
            self._world.arm(service, f"{name}=once:kill")
            await self._provoke(name, service)
            await self._reach(service, name)
        await self._world.revive(service)
        return [service]

    async def kill(self) -> list[str]:
        """kill -9 at any moment."""
        service = self._random.choice(NAMES)
        await asyncio.sleep(self._random.random())
        await self._world.kill(service)
        await asyncio.sleep(self._random.random() * 0.5)
        await self._world.revive(service)
        return [service]

    async def pause(self) -> list[str]:
        """A process stands still, now and then for longer than its leases last."""
        service = self._random.choice(NAMES)
        self._world.signal(service, signal.SIGSTOP)
        await asyncio.sleep(self._random.choice((0.5, 2.0, 4.0, 12.0)))
        self._world.signal(service, signal.SIGCONT)
        return [service]

    async def network(self) -> list[str]:
        """The way to the stream server is bad for a while."""
        return await self._bad(self._world.redis)

    async def database(self) -> list[str]:
        """The way to PostgreSQL is bad for a while."""
        return await self._bad(self._world.sql)

    async def receiver(self) -> list[str]:
        """The way to the push receiver is bad for a while."""
        await self._bad(self._world.push)
        return ["touch"]

    async def redis_killed(self) -> list[str]:
        """The stream server crashes and comes back on its log."""
        await self._world.kill("redis")
        await asyncio.sleep(self._random.random() * 2)
        await self._world.restart_redis()
        return list(NAMES)

    async def flush_feeds(self) -> list[str]:
        """The streams of the feeds are gone; their outboxes have them."""
        for name, topic in FEEDS.items():
            if name != "touch":
                await self._world.redis_call("DEL", stream_key(topic.name, 0))
        return list(NAMES)

    async def flush_all(self) -> list[str]:
        """Everything on the stream server is gone, when all of it has been read."""
        await self._journal.hold()
        await settled(self._world)
        await self._world.redis_call("FLUSHALL")
        self._journal.open.set()
        return list(NAMES)

    async def rival(self) -> list[str]:
        """A second process believes that it owns what the first one owns, and is killed."""
        name = self._random.choice(("identity", "profile", "segment", "touch"))
        platform = self._world.platform
        spec = next(spec for spec in SERVICES if spec.name == name)
        data = platform.folder / name
        variables = environment(
            spec, data, platform.stream_url, platform.addresses, platform.credentials.folder
        )
        variables |= self._world.extra[name]
        variables |= {
            "SIYU_LISTEN": "127.0.0.1:0",
            "SIYU_PORT_FILE": str(self._world.folder / "rival.ports"),
            "SIYU_FAILPOINTS_FILE": str(self._world.folder / "rival.failpoints"),
        }
        command = [sys.executable, "-m", f"siyu_{name}.main"]
        rival = ChildProcess("rival", command, variables, platform.folder / "logs" / "rival.log")
        await asyncio.to_thread(rival.start)
        await asyncio.sleep(3 + self._random.random() * 4)
        await asyncio.to_thread(rival.kill)
        return [name]

    async def clock(self) -> list[str]:
        """A clock jumps while its service runs, and back when it is restarted."""
        service = self._random.choice(sorted(JUMPS))
        now = self._world.folder / f"clock.{service}"
        now.write_text("+0\n", encoding="utf-8")
        settings = {
            "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(now),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1",
        }  # fmt: skip
        self._world.extra[service] |= settings
        await self._world.kill(service)
        await self._world.revive(service)
        await asyncio.sleep(1)
        now.write_text(f"{self._random.choice(JUMPS[service])}\n", encoding="utf-8")
        await asyncio.sleep(4)
        for key in settings:
            del self._world.extra[service][key]
        await self._world.kill(service)
        await self._world.revive(service)
        return [service]

    async def disk_full(self) -> list[str]:
        """Not a byte is left where a service, or the stream server, keeps its data."""
        name = self._random.choice(self._world.disks)
        with full(self._world.platform.folder / name):
            await asyncio.sleep(3)
        if name == "redis":
            # It ends itself rather than answer OK for what it could not write.
            if not self._world.running("redis"):
                await self._world.restart_redis()
            return list(NAMES)
        return [name]

    async def _bad(self, proxy: FaultProxy) -> list[str]:
        await proxy.set(self._random.choice(NETWORK), delay_s=self._random.choice((0.02, 0.3)))
        await asyncio.sleep(1 + self._random.random() * 4)
        await proxy.heal()
        return list(NAMES)

    async def _provoke(self, name: str, service: str) -> None:
        """Bring about what does not happen by itself."""
        if name == "relay.rebuilding":
            await self._world.redis_call("DEL", stream_key(FEEDS[service].name, 0))
        if name.startswith("apply.bury"):
            payload = b"\xff" * 9
            await self._world.redis_call(
                "XADD", stream_key(EVENTS.name, 0), "*", "p", payload, "k", "7"
            )
            self.letters.update(("identity", "profile", "analytics"))

    async def _reach(self, service: str, name: str) -> None:
        if not await self._world.died(service, REACH_S):
            self._world.arm(service, "")
            raise AssertionError(f"{service} did not pass {name} in {REACH_S:.0f} s")

    async def _start_into(self, service: str, name: str) -> None:
        """Start a service that is to die early."""
        if await self._world.start(service):
            await self._reach(service, name)


def every_failpoint(random: Random) -> list[tuple[str, str]]:
    """Each failpoint once, with one of the services that pass it, shuffled."""
    visits = [(name, random.choice(point.services)) for name, point in FAILPOINTS.items()]
    random.shuffle(visits)
    return visits
