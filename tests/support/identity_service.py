"""The identity service in the test's own process: everything real but the network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from siyu.identity.v1 import identity_service_pb2_grpc as pb_grpc
from siyu_identity.bootstrap import MIGRATIONS, assemble
from siyu_identity.store.keys import KeyRing
from siyu_kit.clock import Clock, SystemClock
from siyu_kit.config import Secret
from siyu_kit.service import App
from siyu_kit.sql.engine import Database
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.port import StreamStore
from siyu_kit.testing.migrated import migrated
from siyu_kit.testing.rpc import ServedRpc, serve, token
from siyu_kit.workers import Supervisor

SECRET = Secret("5e" * 32)
KEYS = KeyRing(SECRET)
PROJECT = "demo"


@dataclass
class RunningIdentity:
    """A running service and what it stands on."""

    app: App
    served: ServedRpc
    stream: StreamStore
    database: Database

    def stub(self, *roles: str, projects: tuple[str, ...] = (PROJECT,)) -> Any:
        """A stub that calls as somebody with these roles (default: admin)."""
        return pb_grpc.IdentityServiceStub(self.served.channel(*roles, projects=projects))

    def stub_of(self, subject: str, *roles: str, projects: tuple[str, ...] = (PROJECT,)) -> Any:
        """A stub that calls as a certain somebody."""
        given = token(*roles, projects=projects, subject=subject)
        return pb_grpc.IdentityServiceStub(self.served.channel(with_token=given))


@asynccontextmanager
async def identity_service(
    url: str,
    *,
    stream: StreamStore | None = None,
    clock: Clock | None = None,
    partitions: int = 1,
) -> AsyncIterator[RunningIdentity]:
    """Run the service over a database until the block ends."""
    await migrated(url, MIGRATIONS)
    database, stream = Database(url), stream or MemoryStreamStore()
    app = assemble(database, stream, KEYS, clock or SystemClock(), partitions=partitions)
    supervisor = Supervisor(app.workers)
    supervisor.start()
    try:
        async with serve(*app.servicers) as served:
            yield RunningIdentity(app, served, stream, database)
            await app.drain()
    finally:
        await supervisor.stop(5)
        await app.aclose()
        await asyncio.sleep(0)
