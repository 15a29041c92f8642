"""Rates of projects at both doors of the real process, and a limits file that changes."""

import asyncio
import json
import time
import urllib.error
import urllib.request

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from siyu.collect.v1.collect_service_pb2 import (
    IngestRequest,
    IngestResponse,
    IngestStreamRequest,
    IngestStreamResponse,
)
from siyu.event.v1.event_pb2 import Event
from support.collect_process import OTHER_KEY, WRITE_KEY, CollectProcess

pytestmark = pytest.mark.integration

SERVICE = "/siyu.collect.v1.CollectService/"
RATE = 200


@pytest.fixture(scope="module")
def limits(tmp_path_factory):
    return tmp_path_factory.mktemp("limits") / "limits.json"


@pytest.fixture
def limited(limits):
    def write(**demo):
        limits.write_text(json.dumps({"projects": {"demo": demo}} if demo else {}))
        time.sleep(2.5)  # it is looked at every second

    return write


@pytest.fixture(scope="module")
def collect(redis_server, tmp_path_factory, limits):
    limits.write_text("{}")
    directory = tmp_path_factory.mktemp("collect")
    process = CollectProcess(redis_server.url, directory, SIYU_LIMITS_FILE=str(limits))
    yield process
    process.stop()


def _events(count, start=0):
    at = int(time.time() * 1000)
    return [
        Event(
            message_id=f"m{start + i}",
            ids=[{"type": "customer_no", "value": f"C{i:04d}"}],
            kind=1,
            name="deposit",
            event_time_ms=at,
        )
        for i in range(count)
    ]


def _post(collect, key, messages):
    body = {"writeKey": key, "batch": messages}
    request = urllib.request.Request(  # noqa: S310
        f"{collect.url}/v1/batch", json.dumps(body).encode(), method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers


def _messages(count):
    return [
        {"type": "track", "event": "x", "userId": "C1", "messageId": f"h{i}"} for i in range(count)
    ]


def test_the_http_door_answers_429_with_a_time_and_another_project_is_served(collect, limited):
    limited(events_per_s=10, burst_s=1)
    assert _post(collect, WRITE_KEY, _messages(10))[0] == 200
    status, told, headers = _post(collect, WRITE_KEY, _messages(10))
    assert (status, told["reason"], told["limit"]) == (429, "RATE_LIMITED", "events")
    assert 1 <= int(headers["Retry-After"]) <= 2
    assert _post(collect, OTHER_KEY, _messages(10))[0] == 200
    time.sleep(int(headers["Retry-After"]))
    assert _post(collect, WRITE_KEY, _messages(10))[0] == 200
    limited()
    for _ in range(5):
        assert _post(collect, WRITE_KEY, _messages(10))[0] == 200


async def test_no_more_than_the_rate_gets_in_by_grpc(collect, limited):
    await asyncio.to_thread(limited, events_per_s=RATE, burst_s=1)
    token = (("authorization", f"Bearer {collect.token()}"),)
    accepted, waits, started = 0, [], time.monotonic()
    async with grpc.aio.insecure_channel(collect.target) as channel:
        ingest = channel.unary_unary(
            SERVICE + "Ingest", IngestRequest.SerializeToString, IngestResponse.FromString
        )
        while time.monotonic() - started < 3:
            request = IngestRequest(project_id="demo", events=_events(50, accepted))
            try:
                accepted += (await ingest(request, metadata=token, timeout=5)).accepted
            except grpc.aio.AioRpcError as error:
                waits.append(_retry_after_s(error))
                await asyncio.sleep(0.01)
        took_s = time.monotonic() - started
    assert waits
    assert all(0 < wait_s < 1 for wait_s in waits)
    assert RATE * 2 < accepted <= RATE * took_s + RATE


async def test_a_stream_is_slowed_down_instead_of_refused(collect, limited):
    await asyncio.to_thread(limited, events_per_s=RATE, burst_s=1)
    token = (("authorization", f"Bearer {collect.token()}"),)

    async def requests():
        for part in range(12):
            yield IngestStreamRequest(project_id="demo", events=_events(50, part * 50))

    started = time.monotonic()
    async with grpc.aio.insecure_channel(collect.target) as channel:
        send = channel.stream_unary(
            SERVICE + "IngestStream",
            IngestStreamRequest.SerializeToString,
            IngestStreamResponse.FromString,
        )
        answer = await send(requests(), metadata=token, timeout=30)
    assert answer.accepted == 600
    assert time.monotonic() - started > 600 / RATE - 1.5


def _retry_after_s(error):
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    return retry.retry_delay.ToMilliseconds() / 1000
