"""A real PostgreSQL server for tests, with a fresh database for each."""

import asyncio
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import asyncpg  # type: ignore[import-untyped]

from siyu_kit.testing.processes import ServerFailed, ServerProcess, free_port, give_to

# The server refuses to run as root.
ACCOUNT: Final = "postgres"

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "fsync": "on",
    "log_min_messages": "warning",
}


class PostgresServer:
    """Started on construction; ``stop`` removes its data."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="siyu-pg-"))
        self._user = ACCOUNT if os.geteuid() == 0 else None
        self._numbers = itertools.count(1)
        self.port = free_port()
        if self._user:
            give_to(self._directory, self._user)
        self._initialise()
        self.start()

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+asyncpg://{ACCOUNT}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start (again) on the same port and data."""
        settings = _SETTINGS | {
            "port": str(self.port),
            "unix_socket_directories": str(self._directory),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = ServerProcess(
            [str(binary("postgres")), "-D", str(self._data), *options],
            self._directory / "log",
            self._user,
        )
        self._process.wait_until(self._accepts)

    def kill(self) -> None:
        """Crash the server: postmaster and children die without a checkpoint."""
        self._process.kill()

    def create_database(self, template: str = "template1") -> str:
        """A fresh database's name."""
        name = f"t{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        """Remove it, ending whatever is connected."""
        self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def stop(self) -> None:
        """Stop the server and delete its data."""
        self._process.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _initialise(self) -> None:
        command = [str(binary("initdb")), "-D", str(self._data), "-U", ACCOUNT, "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C", "--no-instructions"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self._directory,
            user=self._user, group=self._user, extra_groups=[] if self._user else None,
        )  # fmt: skip
        if done.returncode:
            raise ServerFailed(done.stdout + done.stderr)

    def _accepts(self) -> bool:
        try:
            self._run("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def _run(self, statement: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self.url().replace("+asyncpg", ""), timeout=5)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        _in_own_loop(run)


def _in_own_loop(run: Callable[[], Coroutine[object, object, None]]) -> None:
    """Fixtures may be set up while a test's loop runs, so another thread's loop is used."""
    with ThreadPoolExecutor(1) as pool:  # bounded: one task
        pool.submit(lambda: asyncio.run(run())).result()


def binary(name: str) -> Path:
    """Where a PostgreSQL program is: in PATH, or where Debian keeps them (newest version)."""
    found = shutil.which(name)
    if found:
        return Path(found)
    candidates = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3])
    )
    if not candidates:
        raise ServerFailed(f"{name} is not installed (Debian: apt-get install postgresql)")
    return candidates[-1]
