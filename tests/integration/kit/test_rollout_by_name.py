"""All pods behind a name are replaced, as fast as they start: no call fails."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from cluster.cluster_dns import Server as NameServer
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit.auth import FixedToken
from siyu_kit.errors import DomainError
from siyu_kit.rpc.client import call, connect
from siyu_kit.rpc.server import RpcServer
from siyu_kit.testing.processes import free_port
from siyu_kit.testing.rpc import VERIFIER, token
from support.fake_identity import FakeIdentity, resolve

pytestmark = pytest.mark.integration

NAME = "identity.platform.test"
DRAIN_S = 2.0
PACE_S = 1.5
"""From one pod's end to the next one's: less than a drain, so that two of them overlap."""


class Pods:
    """Servers on addresses of their own, and the name that means those that are ready."""

    def __init__(self) -> None:
        self.port = free_port()
        self.known: dict[str, list[str]] = {NAME: []}
        self._servers: dict[str, RpcServer] = {}
        self._next = 2

    async def add(self) -> str:
        address = f"127.0.0.{self._next}"
        self._next += 1
        server = RpcServer(verifier=VERIFIER)
        server.add(FakeIdentity().servicer())
        await server.start(f"{address}:{self.port}")
        await server.set_ready(ready=True)
        self._servers[address] = server
        self.known[NAME] = [*self.known[NAME], address]
        return address

    async def end(self, address: str) -> None:
        """As a cluster does: out of the name at once, and time to drain."""
        self.known[NAME] = [other for other in self.known[NAME] if other != address]
        await self._servers.pop(address).drain(delay_s=DRAIN_S, grace_s=1)

    async def aclose(self) -> None:
        for server in self._servers.values():
            await server.stop(0)


@pytest.fixture
async def pods() -> AsyncIterator[Pods]:
    running = Pods()
    yield running
    await running.aclose()


@pytest.mark.parametrize("replicas", [1, 2])
async def test_no_call_fails_while_every_pod_is_replaced(pods: Pods, replicas: int) -> None:
    loop = asyncio.get_running_loop()
    names = SimpleNamespace(known=pods.known)
    transport, _ = await loop.create_datagram_endpoint(
        lambda: NameServer(names), local_addr=("127.0.0.1", 0)
    )
    name_server = transport.get_extra_info("sockname")[1]
    old = [await pods.add() for _ in range(replicas)]
    done, refused, calls = asyncio.Event(), [], 0
    target = f"dns://127.0.0.1:{name_server}/{NAME}:{pods.port}"
    async with connect(target, FixedToken(token("service"))) as channel:
        stub = IdentityServiceStub(channel)

        async def caller() -> None:
            nonlocal calls
            while not done.is_set():
                calls += 1
                try:
                    await call(stub.Resolve, resolve(), timeout_s=10)
                except DomainError as error:
                    refused.append(f"{time.monotonic() - began:.1f} {error}")
                await asyncio.sleep(0.02)

        began = time.monotonic()
        callers = [asyncio.create_task(caller()) for _ in range(2)]
        await asyncio.sleep(0.5)
        ends = []
        for address in old:
            await pods.add()
            ends.append(asyncio.create_task(pods.end(address)))
            await asyncio.sleep(PACE_S)
        await asyncio.gather(*ends)
        await asyncio.sleep(0.5)
        done.set()
        await asyncio.gather(*callers)
    transport.close()
    assert calls > 100
    assert refused == []
