"""What operators rely on: health names, balancing, reflection."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit.auth import FixedToken
from siyu_kit.rpc import RpcServer, call, connect
from siyu_kit.testing.rpc import VERIFIER, serve, token
from support.fake_identity import FakeIdentity, resolve

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_tells_readiness_and_liveness_apart_and_needs_no_token():
    async with serve(FakeIdentity().servicer()) as served:
        stub = health_pb2_grpc.HealthStub(served.anonymous())

        async def state(name):
            return (await call(stub.Check, health_pb2.HealthCheckRequest(service=name))).status

        assert [await state(n) for n in ("", "readiness", "liveness")] == [SERVING] * 3
        await served.server.set_ready(ready=False)
        assert [await state(n) for n in ("", "readiness")] == [NOT_SERVING] * 2
        assert await state("liveness") == SERVING


@pytest.mark.loopback
async def test_calls_spread_over_ready_servers_and_leave_one_that_is_not():
    fakes = [FakeIdentity(), FakeIdentity()]
    servers = [RpcServer(verifier=VERIFIER) for _ in fakes]
    ports = []
    for server, fake in zip(servers, fakes, strict=True):
        server.add(fake.servicer())
        ports.append(await server.start("127.0.0.1:0"))
        await server.set_ready(ready=True)
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    try:
        async with connect(target, FixedToken(token("service"))) as channel:
            stub = IdentityServiceStub(channel)
            for _ in range(200):  # until both connections are up
                await call(stub.Resolve, resolve())
                if all(fake.calls for fake in fakes):
                    break
            assert all(fake.calls for fake in fakes)
            await servers[0].set_ready(ready=False)
            await asyncio.sleep(0.3)
            before = fakes[0].calls
            for _ in range(20):
                await call(stub.Resolve, resolve())
            assert fakes[0].calls == before
    finally:
        for server in servers:
            await server.stop(0)


@pytest.mark.parametrize("enabled", [True, False])
async def test_reflection_is_served_by_flag_only(tmp_path, enabled):
    server = RpcServer(verifier=VERIFIER, reflection=enabled)
    server.add(FakeIdentity().servicer())
    await server.start(f"unix:{tmp_path / 's'}")
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    try:
        async with grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
            asked = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                iter([request])
            )
            if enabled:
                (answer,) = [item async for item in asked]
                names = {item.name for item in answer.list_services_response.service}
                assert "siyu.identity.v1.IdentityService" in names
            else:
                assert await asked.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop(0)
