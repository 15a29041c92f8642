"""Garbage at every door: a typed error, nothing else lost, the process up, memory bounded."""

import base64
import gzip
import importlib
import random

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from siyu.collect.v1 import collect_service_pb2 as collect_pb
from siyu.event.v1 import event_pb2 as event_pb
from siyu.type.v1 import identifier_pb2
from siyu_client.client import call
from siyu_client.platform.services import SERVICES
from siyu_kit.rpc.status import from_status
from support.living_platform import now_ms

pytestmark = pytest.mark.e2e
PROJECT = "garbage"
FIVE_MB = 5_000_000
GROWTH_MB = 150.0


def methods():
    for spec in SERVICES:
        module = importlib.import_module(f"siyu.{spec.name}.v1.{spec.name}_service_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield spec.name, method


async def raw_call(channel, method, payload: bytes, token: str | None):
    """Send bytes as the request; the status code and the reason of its one ErrorInfo."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
    try:
        if method.client_streaming:
            await channel.stream_unary(path)(iter([payload]), metadata=metadata, timeout=20)
        elif method.server_streaming:
            responses = channel.unary_stream(path)(payload, metadata=metadata, timeout=2)
            async for _ in responses:
                responses.cancel()
                break
        else:
            await channel.unary_unary(path)(payload, metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        reasons = [
            error_details_pb2.ErrorInfo.FromString(detail.value).reason
            for detail in (status.details if status else ())
            if detail.type_url.endswith("ErrorInfo")
        ]
        return error.code(), reasons
    return grpc.StatusCode.OK, []


@pytest.fixture
def own_token(platform):
    return platform.credentials.tokens("user:test", ["admin"], [PROJECT]).token()


@pytest.fixture
def foreign_token(platform):
    return platform.credentials.tokens("user:test", ["admin"], ["other"]).token()


async def test_every_method_refuses_garbage_with_one_reason(platform, living, own_token):
    noise = random.Random(7)
    before = platform.resident_mb()
    channels = {
        name: grpc.aio.insecure_channel(address.target)
        for name, address in platform.addresses.items()
    }
    for name, method in methods():
        for payload in (b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 40, noise.randbytes(300)):
            code, reasons = await raw_call(channels[name], method, payload, own_token)
            assert code in {
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.PERMISSION_DENIED,
            }, f"{method.full_name}: {code}"
            assert len(reasons) == 1, f"{method.full_name}: {reasons}"
        code, _ = await raw_call(channels[name], method, b"\x0a" + b"\x01a" * 9, own_token)
        assert code is not grpc.StatusCode.INTERNAL, method.full_name
    for channel in channels.values():
        await channel.close()
    assert all(process.running for process in platform.processes.values())
    grown = {name: mb - before[name] for name, mb in platform.resident_mb().items()}
    assert max(grown.values()) < GROWTH_MB, grown


async def test_every_method_wants_a_token_of_the_project(platform, living, foreign_token):
    own = b"\x0a" + bytes([len(PROJECT)]) + PROJECT.encode()
    broken = foreign_token[:-8] + "AAAAAAAA"
    for name, method in methods():
        async with grpc.aio.insecure_channel(platform.addresses[name].target) as channel:
            for token, code, reason in (
                (None, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
                ("nonsense", grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
                (broken, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
                (foreign_token, grpc.StatusCode.PERMISSION_DENIED, "PROJECT_FORBIDDEN"),
            ):
                found = await raw_call(channel, method, own, token)
                assert found == (code, [reason]), f"{method.full_name}: {found}"


def good(number: int) -> event_pb.Event:
    return event_pb.Event(
        message_id=f"good-{number}",
        ids=[identifier_pb2.Identifier(type="customer_no", value="7700001")],
        kind=event_pb.EVENT_KIND_TRACK,
        name="good",
        event_time_ms=now_ms(),
    )


def bad_events():
    def changed(**fields):
        event = good(0)
        for name, value in fields.items():
            setattr(event, name, value)
        return event

    nan = good(0)
    nan.number_properties["x"] = float("nan")
    infinite = good(0)
    infinite.number_properties["x"] = float("inf")
    unknown_type = good(0)
    unknown_type.ids[0].type = "shoe_size"
    nobody = good(0)
    del nobody.ids[:]
    key = good(0)
    key.string_properties["not a key"] = "x"
    return {
        "message_id": changed(message_id=""),
        "name": changed(name="x" * 101),
        "kind": changed(kind=99),
        "properties[x]": nan,
        "properties[x] ": infinite,
        "ids": unknown_type,
        "ids ": nobody,
        "properties": key,
        "event_time_ms": changed(event_time_ms=now_ms() + 40 * 86_400_000),
    }


async def test_a_bad_event_refuses_itself_alone(living):
    bad = bad_events()
    events = [part for number, event in enumerate(bad.values()) for part in (event, good(number))]
    unknown = b"\xfa\x3f\x03abc"  # a field of a later version
    payload = collect_pb.IngestRequest(project_id=PROJECT, events=events).SerializeToString()
    request = collect_pb.IngestRequest.FromString(payload + unknown)
    answer = await call(living.client.collect.Ingest, request)
    assert answer.accepted == len(bad)
    assert [item.index for item in answer.refused] == list(range(0, 2 * len(bad), 2))
    for field, item in zip(bad, answer.refused, strict=True):
        error = from_status(item.status)
        assert error.metadata["field"].startswith(field.strip()), error
    await living.await_events(len(bad))


async def test_a_body_of_five_megabytes_is_refused(platform, living, own_token):
    for spec in SERVICES:
        method = next(method for name, method in methods() if name == spec.name)
        async with grpc.aio.insecure_channel(platform.addresses[spec.name].target) as channel:
            code, _ = await raw_call(channel, method, b"\x00" * FIVE_MB, own_token)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert all(process.running for process in platform.processes.values())


async def test_http_garbage(platform, living):
    key = platform.write_keys[PROJECT]
    basic = {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
    wrong = {"authorization": "Basic " + base64.b64encode(b"wrong:").decode()}
    before = platform.resident_mb()
    async with httpx.AsyncClient(base_url=platform.http_url, timeout=20) as door:
        cases = [
            (await door.post("/v1/batch", content=b'{"batch": [', headers=basic), {400}),
            (await door.post("/v1/batch", content=b"\xff\xfe", headers=basic), {400}),
            (await door.post("/v1/batch", json={"batch": "no"}, headers=basic), {400}),
            (await door.post("/v1/batch", json={"batch": []}, headers=wrong), {401}),
            (await door.post("/v1/batch", json={"batch": []}), {401}),
            (await door.post("/v1/batch", content=b"x" * FIVE_MB, headers=basic), {400, 413}),
            (await door.post("/v1/nothing", json={}, headers=basic), {404}),
            (await door.post(f"/sa?project={PROJECT}&token=wrong", data={"data": "x"}), {401}),
            (await door.post(f"/sa?project=other&token={key}", data={"data": "x"}), {403}),
            (await door.post(f"/sa?project={PROJECT}&token={key}", data={"data": "!!"}), {400}),
            (await door.post(f"/sa?project={PROJECT}&token={key}", data=bomb()), {400, 413}),
            (await door.get(f"/sa.gif?project={PROJECT}&token={key}&data=%00"), {400}),
        ]
        for answer, allowed in cases:
            assert answer.status_code in allowed, (str(answer.request.url), answer.text)
        mixed = {
            "batch": [{"type": "track"}, {"type": "track", "userId": "7700002", "event": "ok"}, 5]
        }
        answer = await door.post("/v1/batch", json=mixed, headers=basic)
        assert answer.status_code == 200
        assert [item["index"] for item in answer.json()["refused"]] == [0, 2]
    grown = {name: mb - before[name] for name, mb in platform.resident_mb().items()}
    assert max(grown.values()) < GROWTH_MB, grown


def bomb() -> dict[str, str]:
    packed = gzip.compress(b"0" * 200_000_000, 9)
    return {"data_list": base64.b64encode(packed).decode(), "gzip": "1"}
