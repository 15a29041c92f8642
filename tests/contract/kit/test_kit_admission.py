"""Limits at a real gRPC server: who is refused, how, and what clients make of it."""

import asyncio
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit.auth.policy import access_of
from siyu_kit.errors import DeadlineExceeded, InvalidInput, TooBusy
from siyu_kit.limits.admission import Admission, AdmissionBounds
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.limits.policy import LimitPolicy, ProjectLimits
from siyu_kit.limits.priority import Priority
from siyu_kit.rpc import call, stream
from siyu_kit.rpc.retries import PUSHBACK_KEY
from siyu_kit.rpc.service_config import services
from siyu_kit.testing.rpc import serve
from support.fake_identity import FakeIdentity, refusal, resolve

ONE = AdmissionBounds(ordinary=Slots(1, waiting=4, waiting_each=2), streams=Slots(2))


def _rated(requests_per_s, burst_s=1.0):
    return Admission(LimitPolicy(default=ProjectLimits(requests_per_s, burst_s=burst_s)))


@pytest.fixture
async def slow():
    """One ordinary slot, and a call that takes it until ``release``."""
    fake = FakeIdentity()
    async with serve(fake.servicer(), admission=Admission(bounds=ONE)) as served:
        stub = IdentityServiceStub(served.channel("service"))
        holding = asyncio.create_task(call(stub.Resolve, resolve("wait")))
        await fake.entered.wait()
        yield fake, served, stub
        fake.release.set()
        await asyncio.wait([holding])


@pytest.mark.parametrize("project", ["a b", "../x", "", "ü", "a" * 65, ".a", "a\n", "a" * 300])
async def test_a_malformed_project_is_refused_by_the_gate_with_its_field(project):
    fake = FakeIdentity()
    async with serve(fake.servicer()) as served:
        stub = IdentityServiceStub(served.channel("service"))
        error = await refusal(call(stub.Resolve, resolve(project=project)))
        assert isinstance(error, InvalidInput)
        assert (error.reason, error.field) == ("FIELD_INVALID", "project_id")
        with pytest.raises(InvalidInput) as refused:
            async with stream(
                stub.WatchChanges, pb.WatchChangesRequest(project_id=project)
            ) as messages:
                [message async for message in messages]
        assert refused.value.field == "project_id"
        assert fake.calls == 0


async def test_a_project_named_last_is_found_and_one_named_twice_is_refused():
    fake = FakeIdentity()
    project, rest = pb.ResolveRequest(project_id="demo"), resolve(project="")
    late = rest.SerializeToString() + project.SerializeToString()
    twice = pb.ResolveRequest(project_id="other").SerializeToString() + late
    async with serve(fake.servicer()) as served:
        channel = served.channel("service")
        raw = channel.unary_unary("/siyu.identity.v1.IdentityService/Resolve")
        await raw(late)
        assert fake.scope is not None
        assert fake.scope.project == "demo"
        error = await refusal(_raised(raw(twice)))
        assert (error.reason, error.message) == ("FIELD_INVALID", "project_id stands once")
    assert fake.calls == 1


async def _raised(made):
    from siyu_kit.rpc.status import from_rpc_error

    try:
        await made
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


async def test_a_used_up_rate_says_when_to_come_again_and_the_client_does():
    fake = FakeIdentity()
    async with serve(fake.servicer(), admission=_rated(10, burst_s=0.1)) as served:
        stub = IdentityServiceStub(served.channel("service"))
        started = time.monotonic()
        for _ in range(4):
            await call(stub.Resolve, resolve(), timeout_s=5)
        took_s = time.monotonic() - started
    # One is free, the others wait a tenth of a second each, as the server told gRPC's own retries.
    assert 0.25 < took_s < 2
    assert fake.calls == 4


async def test_nobody_waits_for_longer_than_the_caller_does():
    async with serve(FakeIdentity().servicer(), admission=_rated(0.1, burst_s=10)) as served:
        stub = IdentityServiceStub(served.channel("service"))
        await call(stub.Resolve, resolve())
        started = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Resolve(resolve(), timeout=3)
        assert time.monotonic() - started < 1, "it is told at once instead"
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(caught.value.trailing_metadata())[PUSHBACK_KEY] == "-1"
        error = await refusal(call(stub.Resolve, resolve(), timeout_s=3))
        assert isinstance(error, TooBusy)
        assert (error.reason, error.metadata["limit"]) == ("RATE_LIMITED", "requests")
        assert 9 < error.retry_after_s <= 12


async def test_retries_have_a_budget():
    fake = FakeIdentity()
    fake.error = TooBusy("OVERLOADED", "m", retry_after_s=0.001)
    async with serve(fake.servicer()) as served:
        stub = IdentityServiceStub(served.channel("service"))
        asked = 300
        for _ in range(asked):
            await refusal(call(stub.Resolve, resolve()))
    # Four attempts a call until half of the hundred tokens are gone, one after that.
    assert fake.calls < asked + 60


async def test_a_project_that_fills_its_queue_is_refused_and_another_is_served_next(slow):
    fake, _, stub = slow
    order = []

    async def one(project):
        await call(stub.Resolve, resolve(project=project))
        order.append(project)

    noisy = [asyncio.create_task(one("demo")) for _ in range(2)]
    await asyncio.sleep(0.1)
    error = await refusal(call(stub.Resolve, resolve(), timeout_s=0.04))
    assert (error.reason, error.metadata["limit"]) == ("PROJECT_BUSY", "ordinary_queue")
    quiet = asyncio.create_task(one("quiet"))
    await asyncio.sleep(0.1)
    fake.release.set()
    await asyncio.gather(quiet, *noisy)
    assert order[0] == "quiet"


@pytest.mark.alone
async def test_a_call_whose_deadline_passes_in_the_queue_is_never_started(slow):
    fake, _, stub = slow
    for _ in range(50):
        started = time.monotonic()
        error = await refusal(call(stub.Resolve, resolve(), timeout_s=0.03))
        assert isinstance(error, DeadlineExceeded)
        assert time.monotonic() - started < 0.3
    fake.release.set()
    await call(stub.Resolve, resolve())
    assert fake.calls == 2, "the one that held the slot and the last"


async def test_vital_calls_and_health_go_on_under_overload(slow):
    _, served, stub = slow
    served.admission.load.lag_s = 60.0
    error = await refusal(call(stub.Resolve, resolve(), timeout_s=0.5))
    assert (error.reason, error.metadata["limit"]) == ("OVERLOADED", "event_loop_lag")
    answer = await stub.Resolve(resolve(), metadata=(("siyu-priority", "vital"),))
    assert answer.resolution.ident_no == 7
    health = health_pb2_grpc.HealthStub(served.anonymous())
    await call(health.Check, health_pb2.HealthCheckRequest(service="readiness"))


async def test_only_a_service_may_ask_for_priority(slow):
    _, served, _ = slow
    served.admission.load.lag_s = 60.0
    person = IdentityServiceStub(served.channel("operator"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await person.Resolve(resolve(), timeout=0.5, metadata=(("siyu-priority", "vital"),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_open_streams_are_bounded_and_take_no_slot_of_calls():
    async with serve(FakeIdentity().servicer(), admission=Admission(bounds=ONE)) as served:
        stub = IdentityServiceStub(served.channel("service"))
        request = pb.WatchChangesRequest(project_id="demo", after_sequence=2)
        async with stream(stub.WatchChanges, request) as one:
            await anext(one)
            async with stream(stub.WatchChanges, request) as two:
                await anext(two)
                with pytest.raises(TooBusy) as refused:
                    async with stream(stub.WatchChanges, request) as three:
                        await anext(three)
                assert refused.value.metadata["limit"] == "streams_queue"
                await call(stub.Resolve, resolve())
        for _ in range(50):  # the places are given back
            try:
                async with stream(stub.WatchChanges, request) as again:
                    await anext(again)
                break
            except TooBusy:
                await asyncio.sleep(0.02)
        else:
            raise AssertionError("no stream can be opened any more")


def test_what_is_vital_and_what_is_low():
    """Written down once more: a change of priority is a decision, not a slip."""
    by_priority = {priority: set() for priority in Priority}
    for service in services():
        for method in service.methods:
            access = access_of(f"{service.full_name}/{method.name}")
            by_priority[access.priority].add(method.name)
    assert by_priority[Priority.VITAL] == {
        "RecordConsents", "GetSendFacts", "RecordReceipts", "SetKillSwitch", "PauseCampaign",
    }  # fmt: skip
    assert by_priority[Priority.LOW] >= {
        "QueryEvents", "QueryFunnel", "ListMembers", "EvaluateAudience", "Import", "WatchChanges",
        "PreviewSegment", "RefreshSegment", "VerifyDecisions",
    }  # fmt: skip
