"""A real in-process server: access, errors, shapes, deadlines, cancellation, spans."""

import asyncio
import json
import logging

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from siyu.collect.v1 import collect_service_pb2 as collect_pb
from siyu.collect.v1 import collect_service_pb2_grpc as collect_grpc
from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit import errors, telemetry
from siyu_kit.config import CommonConfig, load
from siyu_kit.log import configure_logging
from siyu_kit.rpc import RpcServer, ServerLimits, Servicer, call, stream
from siyu_kit.rpc.status import STATUS_KEY
from siyu_kit.testing.rpc import ISSUER, VERIFIER, serve, token
from support.fake_identity import FakeIdentity, refusal, resolve

PROJECT = "demo"


@pytest.fixture
async def identity():
    fake = FakeIdentity()
    async with serve(fake.servicer()) as served:
        yield fake, served


async def test_a_permitted_call_is_answered(identity):
    _, served = identity
    stub = IdentityServiceStub(served.channel("service", projects=[PROJECT]))
    assert (await call(stub.Resolve, resolve())).resolution.ident_no == 7


async def test_a_text_with_a_nul_is_refused_before_the_handler(identity):
    fake, served = identity
    stub = IdentityServiceStub(served.channel("service", projects=[PROJECT]))
    error = await refusal(call(stub.Resolve, resolve("a\0b")))
    assert (type(error), error.field) == (errors.InvalidInput, "identifier.value")
    assert fake.calls == 0


@pytest.mark.parametrize(
    ("channel", "expected", "reason"),
    [
        (lambda s: s.anonymous(), errors.Unauthenticated, "TOKEN_INVALID"),
        (lambda s: s.channel(with_token="a.b.c"), errors.Unauthenticated, "TOKEN_INVALID"),
        (lambda s: s.channel("ingest"), errors.PermissionDenied, "PERMISSION_MISSING"),
        (lambda s: s.channel("nobody"), errors.PermissionDenied, "PERMISSION_MISSING"),
        (
            lambda s: s.channel("service", projects=["other"]),
            errors.PermissionDenied,
            "PROJECT_FORBIDDEN",
        ),
    ],
)
async def test_access_is_denied_by_default(identity, channel, expected, reason):
    fake, served = identity
    error = await refusal(call(IdentityServiceStub(channel(served)).Resolve, resolve()))
    assert type(error) is expected
    assert error.reason == reason
    assert fake.calls == 0


async def test_a_request_without_project_names_the_field(identity):
    _, served = identity
    stub = IdentityServiceStub(served.channel("service"))
    error = await refusal(call(stub.Resolve, resolve(project="")))
    assert isinstance(error, errors.InvalidInput)
    assert error.field == "project_id"


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidInput("FIELD_INVALID", "bad", field="ids[0]"),
        errors.NotFound("X", "m", person_id="p"),
        errors.AlreadyExists("X", "m"),
        errors.StaleEtag("ETAG_STALE", "m"),
        errors.Conflict("X", "m"),
        errors.PreconditionFailed("X", "m"),
        errors.PermissionDenied("X", "m"),
        errors.QuotaExceeded("X", "m", retry_after_s=1.5),
        errors.TooBusy("OVERLOADED", "m", retry_after_s=0.2),
        errors.DeadlineExceeded("DEADLINE_EXCEEDED", "m"),
        errors.DataLoss("X", "m"),
    ],
)
async def test_a_domain_error_arrives_as_itself(identity, error):
    fake, served = identity
    fake.error = error
    stub = IdentityServiceStub(served.channel("service"))
    received = await refusal(call(stub.Resolve, resolve()))
    assert type(received) is type(error)
    assert (received.reason, received.message) == (error.reason, error.message)
    assert error.metadata.items() <= received.metadata.items()
    assert getattr(received, "field", None) == getattr(error, "field", None)
    assert getattr(received, "retry_after_s", None) == getattr(error, "retry_after_s", None)


async def test_an_unknown_exception_leaves_as_internal_error_and_trace_id_only(identity):
    fake, served = identity
    fake.error = ValueError("secret detail")
    stub = IdentityServiceStub(served.channel("service"))
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.Resolve(resolve())
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details() == "internal error"
    trailers = dict(caught.value.trailing_metadata())
    status = status_pb2.Status.FromString(trailers[STATUS_KEY])
    info = error_details_pb2.ErrorInfo()
    assert len(status.details) == 1
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, set(info.metadata)) == ("INTERNAL", "siyu", {"trace_id"})
    assert fake.scope is not None
    assert info.metadata["trace_id"] == f"{fake.scope.trace_id:032x}"
    assert b"secret" not in trailers[STATUS_KEY]


async def test_an_error_on_the_second_message_of_a_stream_is_mapped(identity):
    _, served = identity
    stub = IdentityServiceStub(served.channel("service"))
    seen = []
    with pytest.raises(errors.NotFound, match="second message"):
        async with stream(
            stub.WatchChanges, pb.WatchChangesRequest(project_id=PROJECT, after_sequence=1)
        ) as messages:
            seen = [message.checkpoint_sequence async for message in messages]
    assert seen == []


async def test_leaving_a_stream_stops_the_handler(identity):
    fake, served = identity
    stub = IdentityServiceStub(served.channel("service"))
    request = pb.WatchChangesRequest(project_id=PROJECT, after_sequence=2)
    async with stream(stub.WatchChanges, request) as messages:
        async for _ in messages:
            break
        await asyncio.wait_for(fake.entered.wait(), 5)
    await asyncio.wait_for(fake.stopped.wait(), 5)


async def test_a_cancelled_caller_stops_the_handler(identity):
    fake, served = identity
    stub = IdentityServiceStub(served.channel("service"))
    calling = asyncio.create_task(call(stub.Resolve, resolve("wait")))
    await asyncio.wait_for(fake.entered.wait(), 5)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await asyncio.wait_for(fake.stopped.wait(), 5)


async def test_a_deadline_stops_the_handler(identity):
    fake, served = identity
    stub = IdentityServiceStub(served.channel("service"))
    error = await refusal(call(stub.Resolve, resolve("wait"), timeout_s=0.1))
    assert isinstance(error, errors.DeadlineExceeded)
    await asyncio.wait_for(fake.stopped.wait(), 5)


async def test_a_call_without_deadline_is_given_one():
    fake = FakeIdentity()
    limits = ServerLimits(default_deadline_s=0.1)
    metadata = (("authorization", f"Bearer {token('service')}"),)
    async with (
        serve(fake.servicer(), limits=limits) as served,
        aio.insecure_channel(served.target) as channel,
    ):
        with pytest.raises(aio.AioRpcError) as caught:
            await IdentityServiceStub(channel).Resolve(resolve("wait"), metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert fake.stopped.is_set()


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x08" * 100])
async def test_bytes_that_are_no_message_are_refused(identity, body):
    fake, served = identity
    method = served.channel("service").unary_unary("/siyu.identity.v1.IdentityService/Resolve")
    error = await refusal(call(method, body))
    assert isinstance(error, errors.InvalidInput)
    assert fake.calls == 0


async def test_an_oversized_message_and_an_unknown_method_are_typed_errors(identity):
    _, served = identity
    channel = served.channel("service")
    method = channel.unary_unary("/siyu.identity.v1.IdentityService/Resolve")
    assert isinstance(await refusal(call(method, b"x" * 5_000_000)), errors.QuotaExceeded)
    method = channel.unary_unary("/siyu.identity.v1.IdentityService/Nothing")
    assert isinstance(await refusal(call(method, b"")), errors.Unimplemented)
    assert (await call(IdentityServiceStub(channel).Resolve, resolve())).resolution.ident_no == 7


async def test_more_calls_than_allowed_are_refused_and_the_others_served():
    fake = FakeIdentity()
    async with serve(fake.servicer(), limits=ServerLimits(max_concurrent_rpcs=2)) as served:
        stub = IdentityServiceStub(served.channel("service"))
        held = [asyncio.create_task(call(stub.Resolve, resolve("wait"))) for _ in range(2)]
        while fake.calls < 2:
            await asyncio.sleep(0.01)
        assert isinstance(await refusal(call(stub.Resolve, resolve())), errors.QuotaExceeded)
        fake.release.set()
        await asyncio.gather(*held)


async def test_fields_are_masked_unless_the_caller_may_reveal_them(identity):
    _, served = identity
    request = pb.GetPersonRequest(project_id=PROJECT, person_id="p1")
    hidden = await call(IdentityServiceStub(served.channel("operator")).GetPerson, request)
    shown = await call(IdentityServiceStub(served.channel("steward")).GetPerson, request)
    assert [i.identifier.value for i in hidden.person.identifiers] == ["138****5678", "anon-12345"]
    assert shown.person.identifiers[0].identifier.value == "+8613812345678"


class Door(collect_grpc.CollectServiceServicer):
    async def IngestStream(self, request_iterator, context):
        count = 0
        async for _ in request_iterator:
            count += 1
        return collect_pb.IngestStreamResponse(accepted=count)

    async def Ingest(self, request, context):
        return collect_pb.IngestResponse()

    async def Import(self, request_iterator, context):
        raise NotImplementedError


async def test_every_message_of_a_client_stream_is_checked():
    async def batches(*projects):
        for project in projects:
            yield collect_pb.IngestStreamRequest(project_id=project)

    door = Servicer(collect_grpc.add_CollectServiceServicer_to_server, Door())
    async with serve(door) as served:
        stub = collect_grpc.CollectServiceStub(served.channel("ingest", projects=["a", "b"]))
        answer = await call(stub.IngestStream, batches("a", "a", "b"))
        assert answer.accepted == 3
        error = await refusal(call(stub.IngestStream, batches("a", "c")))
        assert error.reason == "PROJECT_FORBIDDEN"


class Lazy:
    """Stands for a request: only the project is read of it."""

    def __init__(self, raw):
        self.raw = raw
        self.project_id = collect_pb.IngestRequest.FromString(raw).project_id


async def test_a_servicer_may_read_the_requests_of_a_method_itself():
    requests = []

    class Reading(Door):
        async def Ingest(self, request, context):
            requests.append(request)
            return collect_pb.IngestResponse(accepted=7)

    readers = {"Ingest": Lazy}
    door = Servicer(collect_grpc.add_CollectServiceServicer_to_server, Reading(), readers)
    async with serve(door) as served:
        stub = collect_grpc.CollectServiceStub(served.channel("ingest", projects=["a"]))
        request = collect_pb.IngestRequest(project_id="a")
        assert (await call(stub.Ingest, request)).accepted == 7
        (seen,) = requests
        assert isinstance(seen, Lazy)
        assert seen.raw == request.SerializeToString()
        error = await refusal(call(stub.Ingest, collect_pb.IngestRequest(project_id="b")))
        assert error.reason == "PROJECT_FORBIDDEN"
        raw = served.channel("ingest", projects=["a"]).unary_unary(
            "/siyu.collect.v1.CollectService/Ingest"
        )
        with pytest.raises(aio.AioRpcError) as caught:
            await raw(b"\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert len(requests) == 1


async def test_a_reader_for_a_method_that_is_not_there_is_refused_at_registration():
    readers = {"Ingets": Lazy}
    server = RpcServer(verifier=VERIFIER)
    with pytest.raises(TypeError, match="Ingets"):
        server.add(Servicer(collect_grpc.add_CollectServiceServicer_to_server, Door(), readers))


async def test_a_handler_of_the_wrong_form_is_refused_at_registration():
    class Sync(FakeIdentity):
        def Resolve(self, request, context):
            return pb.ResolveResponse()

    server = RpcServer(verifier=VERIFIER)
    with pytest.raises(TypeError, match="Resolve"):
        server.add(Sync().servicer())


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    yield exporter, telemetry.configure_telemetry("test", span_exporter=exporter)
    telemetry.configure_telemetry("test")


async def _finished(exporter, kind, count=1):
    for _ in range(200):
        found = [span for span in exporter.get_finished_spans() if span.kind is kind]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"no {kind} span ended")


@pytest.mark.parametrize(
    ("error", "server", "client", "code"),
    [
        (None, StatusCode.UNSET, StatusCode.UNSET, "OK"),
        (errors.NotFound("X", "m"), StatusCode.UNSET, StatusCode.ERROR, "NOT_FOUND"),
        (errors.DataLoss("X", "m"), StatusCode.ERROR, StatusCode.ERROR, "DATA_LOSS"),
        (ValueError("x"), StatusCode.ERROR, StatusCode.ERROR, "INTERNAL"),
    ],
)
async def test_spans_carry_the_code_and_judge_it(spans, error, server, client, code):
    exporter, traced = spans
    fake = FakeIdentity()
    fake.error = error
    async with serve(fake.servicer(), telemetry=traced) as served:
        stub = IdentityServiceStub(served.channel("service"))
        if error is None:
            await call(stub.Resolve, resolve())
        else:
            await refusal(call(stub.Resolve, resolve()))
        (inner,) = await _finished(exporter, SpanKind.SERVER)
        (outer,) = await _finished(exporter, SpanKind.CLIENT)
    assert inner.name == "siyu.identity.v1.IdentityService/Resolve"
    assert (inner.status.status_code, outer.status.status_code) == (server, client)
    assert inner.attributes["rpc.response.status_code"] == code
    assert outer.attributes["rpc.response.status_code"] == code
    assert inner.parent.span_id == outer.context.span_id
    assert fake.traceparent.split("-")[2] == f"{inner.context.span_id:016x}"


async def test_spans_end_when_the_caller_cancels(spans):
    exporter, traced = spans
    fake = FakeIdentity()
    async with serve(fake.servicer(), telemetry=traced) as served:
        stub = IdentityServiceStub(served.channel("service"))
        calling = asyncio.create_task(call(stub.Resolve, resolve("wait")))
        await asyncio.wait_for(fake.entered.wait(), 5)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        (inner,) = await _finished(exporter, SpanKind.SERVER)
        (outer,) = await _finished(exporter, SpanKind.CLIENT)
    assert fake.stopped.is_set()
    assert inner.attributes["rpc.response.status_code"] == "CANCELLED"
    assert inner.status.status_code is StatusCode.UNSET
    assert outer.status.status_code is StatusCode.ERROR


async def test_trace_ids_pass_through_without_an_exporter(identity):
    fake, served = identity
    stub = IdentityServiceStub(served.channel("service"))
    with telemetry.span_from("batch") as scope:
        await call(stub.Resolve, resolve())
    assert fake.scope.trace_id == scope.trace_id
    assert fake.scope.span_id != scope.span_id


async def test_durations_are_measured_by_method_and_code():
    reader = InMemoryMetricReader()
    measured = telemetry.configure_telemetry("test", metric_reader=reader)
    fake = FakeIdentity()
    try:
        async with serve(fake.servicer(), telemetry=measured) as served:
            stub = IdentityServiceStub(served.channel("service"))
            await call(stub.Resolve, resolve())
            fake.error = errors.NotFound("X", "m")
            await refusal(call(stub.Resolve, resolve()))
            await asyncio.sleep(0.05)
        text = reader.get_metrics_data().to_json()
    finally:
        telemetry.configure_telemetry("test")
    metrics = json.loads(text)["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    (duration,) = (m for m in metrics if m["name"] == "rpc.server.call.duration")
    codes = {p["attributes"]["rpc.response.status_code"] for p in duration["data"]["data_points"]}
    assert codes == {"OK", "NOT_FOUND"}


async def test_audited_calls_leave_one_line_with_ids_whatever_the_level(tmp_path):
    path = tmp_path / "log"
    with path.open("w") as file:
        configure_logging(load(CommonConfig, {"SIYU_LOG_LEVEL": "ERROR"}), stream=file)
        try:
            async with serve(FakeIdentity().servicer()) as served:
                stub = IdentityServiceStub(served.channel("steward"))
                await call(stub.GetPerson, pb.GetPersonRequest(project_id=PROJECT, person_id="p1"))
                await call(stub.Resolve, resolve())
        finally:
            logging.getLogger().handlers.clear()
    (line,) = [json.loads(text) for text in path.read_text().splitlines()]
    assert line["event"] == "audit"
    assert line["outcome"] == "OK"
    assert line["person_id"] == "p1"
    assert (line["project_id"], line["caller"]) == (PROJECT, "user:test")


async def test_draining_tells_health_finishes_calls_and_refuses_new_ones():
    fake = FakeIdentity()
    async with serve(fake.servicer()) as served:
        stub = IdentityServiceStub(served.channel("service"))
        held = asyncio.create_task(call(stub.Resolve, resolve("wait")))
        await asyncio.wait_for(fake.entered.wait(), 5)
        draining = asyncio.create_task(served.server.drain(delay_s=0, grace_s=5))
        await asyncio.sleep(0.1)
        late = IdentityServiceStub(served.channel("service"))
        assert isinstance(
            await refusal(call(late.Resolve, resolve(), timeout_s=2)), errors.DependencyDown
        )
        fake.release.set()
        assert (await held).resolution.ident_no == 7
        await asyncio.wait_for(draining, 5)


@pytest.mark.loopback
async def test_a_taken_port_is_an_error():
    first, second = RpcServer(verifier=VERIFIER), RpcServer(verifier=VERIFIER)
    port = await first.start("127.0.0.1:0")
    try:
        with pytest.raises(RuntimeError):
            await second.start(f"127.0.0.1:{port}")
    finally:
        await first.stop(0)
        await second.stop(0)


def test_issuer_and_verifier_fit():
    assert VERIFIER.verify(ISSUER.mint("s", ["analyst"], ["p"])).subject == "s"


async def test_a_long_message_is_cut_and_still_arrives(identity):
    fake, served = identity
    fake.error = errors.InvalidInput("FIELD_INVALID", "错" * 5000, field="f", rule="则" * 5000)
    stub = IdentityServiceStub(served.channel("service"))
    error = await refusal(call(stub.Resolve, resolve()))
    assert isinstance(error, errors.InvalidInput)
    assert (error.message, error.field) == ("错" * 300, "f")
