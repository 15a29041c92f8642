"""The channel and ``call``: deadlines, tokens, retries, lost connections."""

import asyncio
import contextlib
import json
import tempfile
import time

import grpc
import pytest
from grpc import aio

from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit import errors, telemetry
from siyu_kit.rpc import call, connect
from siyu_kit.rpc.service_config import retriable_methods, service_config, services
from siyu_kit.scope import enter_scope, leave_scope
from siyu_kit.testing.rpc import serve, token
from support.fake_identity import FakeIdentity, refusal, resolve


async def test_an_outgoing_call_ends_before_the_call_it_serves():
    fake = FakeIdentity()
    async with serve(fake.servicer()) as served:
        stub = IdentityServiceStub(served.channel("service"))
        with telemetry.span_from("outer") as scope:
            scope.deadline = time.monotonic() + 0.3
            started = time.monotonic()
            error = await refusal(call(stub.Resolve, resolve("wait"), timeout_s=30))
            assert isinstance(error, errors.DeadlineExceeded)
            assert time.monotonic() - started < 1.5
            assert fake.scope.deadline <= scope.deadline
            scope.deadline = time.monotonic()
            assert "no time is left" in str(await refusal(call(stub.Resolve, resolve())))


async def test_a_smaller_own_timeout_stands():
    fake = FakeIdentity()
    async with serve(fake.servicer()) as served:
        stub = IdentityServiceStub(served.channel("service"))
        with telemetry.span_from("outer") as scope:
            scope.deadline = time.monotonic() + 60
            error = await refusal(call(stub.Resolve, resolve("wait"), timeout_s=0.1))
    assert isinstance(error, errors.DeadlineExceeded)


async def test_a_call_cut_by_its_channel_is_an_error_and_not_a_cancellation():
    fake = FakeIdentity()
    async with serve(fake.servicer()) as served:
        channel = served.channel("service")
        calling = asyncio.create_task(call(IdentityServiceStub(channel).Resolve, resolve("wait")))
        await asyncio.wait_for(fake.entered.wait(), 5)
        await channel.close()
        assert isinstance(await refusal(calling), errors.DependencyDown)


async def test_nobody_there_is_dependency_down(tmp_path):
    async with connect(f"unix:{tmp_path / 'none'}") as channel:
        error = await refusal(call(IdentityServiceStub(channel).Resolve, resolve(), timeout_s=2))
    assert type(error) is errors.DependencyDown


async def test_a_peer_that_is_slow_to_say_hello_is_waited_for(tmp_path):
    """As one that starts on a busy machine: it accepts, and comes to HTTP/2 later."""
    server = aio.server(handlers=[_Answering()])
    server.add_insecure_port(f"unix:{tmp_path / 'peer'}")
    await server.start()

    async def pass_on(reader, writer):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
        writer.close()

    async def hesitate(reader, writer):
        connections.append(asyncio.current_task())
        await asyncio.sleep(0.5)
        peer_reader, peer_writer = await asyncio.open_unix_connection(tmp_path / "peer")
        ways = pass_on(reader, peer_writer), pass_on(peer_reader, writer)
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, peer_writer):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    connections = []
    slow = await asyncio.start_unix_server(hesitate, tmp_path / "slow")
    try:
        async with connect(f"unix:{tmp_path / 'slow'}") as channel:
            once = channel.unary_unary("/siyu.touch.v1.TouchService/UpdateCampaign")
            assert await call(once, b"") == b""
    finally:
        slow.close()
        await server.stop(0)
        await asyncio.wait_for(asyncio.gather(*connections, return_exceptions=True), 10)


class _Answering(grpc.GenericRpcHandler):
    def service(self, _):
        async def handle(_, __):
            return b""

        return grpc.unary_unary_rpc_method_handler(handle)


async def test_methods_that_may_be_repeated_are_and_others_are_not():
    """A bare server that fails twice: the retry policy hides it only where the contract allows."""
    calls: dict[str, int] = {}

    class Flaky(grpc.GenericRpcHandler):
        def service(self, details):
            async def handle(_, context):
                calls[details.method] = calls.get(details.method, 0) + 1
                if calls[details.method] < 3:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
                return b""

            return grpc.unary_unary_rpc_method_handler(handle)

    server = aio.server(handlers=[Flaky()])
    with tempfile.TemporaryDirectory() as directory:
        target = f"unix:{directory}/s"
        server.add_insecure_port(target)
        await server.start()
        try:
            async with connect(target) as channel:
                await call(channel.unary_unary("/siyu.identity.v1.IdentityService/Resolve"), b"")
                once = channel.unary_unary("/siyu.touch.v1.TouchService/UpdateCampaign")
                assert isinstance(await refusal(call(once, b"")), errors.DependencyDown)
        finally:
            await server.stop(0)
    assert calls == {
        "/siyu.identity.v1.IdentityService/Resolve": 3,
        "/siyu.touch.v1.TouchService/UpdateCampaign": 1,
    }


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (errors.Conflict("DATABASE_CONFLICT", "a concurrent transaction won"), 2),
        (errors.StaleEtag("ETAG_STALE", "the etag is not the current one"), 1),
        (errors.Conflict("VERSION_CHANGED", "the definition changed during the run"), 1),
    ],
)
async def test_a_lost_race_is_run_again_and_what_acts_on_the_old_is_not(error, asked):
    class Racing(FakeIdentity):
        times = 0

        async def Resolve(self, request, context):
            self.times += 1
            if self.times == 1:
                raise error
            return await super().Resolve(request, context)

    fake = Racing()
    async with serve(fake.servicer()) as served:
        answer = call(IdentityServiceStub(served.channel("service")).Resolve, resolve())
        if asked == 1:
            assert (await refusal(answer)).reason == error.reason
        else:
            await answer
    assert fake.times == asked


def test_the_service_config_follows_the_contracts():
    names = {service.full_name for service in services()}
    assert {"siyu.identity.v1.IdentityService", "siyu.touch.v1.TouchService"} <= names
    assert "siyu.identity.v1.IdentityService/Resolve" in retriable_methods()
    assert "siyu.touch.v1.TouchService/UpdateCampaign" not in retriable_methods()
    plain, balanced = (
        json.loads(service_config(balanced=False)),
        json.loads(service_config(balanced=True)),
    )
    assert "loadBalancingConfig" not in plain
    assert balanced["loadBalancingConfig"] == [{"round_robin": {}}]
    assert balanced["healthCheckConfig"] == {"serviceName": ""}


async def test_the_token_is_asked_for_at_every_call():
    given = iter([token("service"), token("ingest")])

    class Turning:
        def token(self):
            return next(given)

    fake = FakeIdentity()
    async with serve(fake.servicer()) as served, connect(served.target, Turning()) as channel:
        stub = IdentityServiceStub(channel)
        await call(stub.Resolve, resolve())
        assert (await refusal(call(stub.Resolve, resolve()))).reason == "PERMISSION_MISSING"


async def test_a_scope_left_does_not_limit_later_calls():
    with telemetry.span_from("outer") as scope:
        scope.deadline = 0.0
        token_ = enter_scope(None)
        fake = FakeIdentity()
        async with serve(fake.servicer()) as served:
            await call(IdentityServiceStub(served.channel("service")).Resolve, resolve())
        leave_scope(token_)
