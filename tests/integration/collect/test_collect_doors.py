"""The real process on a real Redis: the vendors' own SDKs, garbage, and a stream that goes away."""

import asyncio
import base64
import gzip
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request

import grpc
import orjson
import psutil
import pytest
import redis
import sensorsanalytics
from segment.analytics.client import Client

from siyu.collect.v1.collect_service_pb2 import IngestRequest, IngestResponse
from siyu.event.v1.event_pb2 import Event, EventBatch
from siyu_kit.rpc.status import from_rpc_error
from siyu_kit.testing.redis import RedisServer
from support.collect_process import OTHER_KEY, WRITE_KEY, CollectProcess

pytestmark = pytest.mark.integration

INGEST = "/siyu.collect.v1.CollectService/Ingest"


@pytest.fixture(scope="module")
def collect(redis_server, tmp_path_factory):
    process = CollectProcess(redis_server.url, tmp_path_factory.mktemp("collect"))
    yield process
    process.stop()


@pytest.fixture
def stored(redis_url):
    """What the stream holds, by message id; empty at the start of each test."""

    def read():
        with redis.Redis.from_url(redis_url) as client:
            return {
                event.message_id: event
                for partition in range(4)
                for _, fields in client.xrange(f"siyu.events.{partition}")
                for event in EventBatch.FromString(fields[b"p"]).events
            }

    return read


def now_ms():
    return int(time.time() * 1000)


def post(url, data, **headers):
    """Status, answer and headers of a POST; JSON when it is."""
    request = urllib.request.Request(url, data, headers, method="POST")  # noqa: S310
    return answer_of(request)


def answer_of(request):
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            status, body, headers = response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        status, body, headers = error.code, error.read(), error.headers
    is_json = "json" in headers.get("Content-Type", "")
    return status, json.loads(body) if is_json else body, headers


def sa(collect, token=WRITE_KEY, project="demo"):
    return f"{collect.url}/sa?project={project}&token={token}"


def form(records, **more):
    data = base64.b64encode(gzip.compress(orjson.dumps(records)))
    return urllib.parse.urlencode({"data_list": data, "gzip": 1, **more}).encode()


def record(**fields):
    return {
        "type": "track",
        "event": "x",
        "distinct_id": "a-1-b",
        "time": now_ms(),
        "properties": {},
        **fields,
    }


def basic(key=WRITE_KEY):
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def event(i=1, **fields):
    given = {
        "message_id": f"m{i}",
        "ids": [{"type": "customer_no", "value": f"C{i:04d}"}],
        "kind": 1,
        "name": "deposit",
        "event_time_ms": now_ms() - i,
    }
    return Event(**(given | fields))


# --- the SDKs ----------------------------------------------------------------------------


# The SDK's own thread calls Event.isSet, which warns; as an error that would end the thread.
@pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning")
@pytest.mark.parametrize("consumer", ["DefaultConsumer", "BatchConsumer", "AsyncBatchConsumer"])
def test_the_sensors_sdk(collect, stored, consumer):
    sender = getattr(sensorsanalytics, consumer)(sa(collect))
    sdk = sensorsanalytics.SensorsAnalytics(sender, project_name="demo")
    sdk.register_super_properties({"$app_version": "7.1"})
    sdk.track("anon-abc", "ViewNews", {"channel": "app", "amount": 12.34567, "tags": ["a", "b"]})
    sdk.track_signup("C0001", "anon-abc")
    sdk.track("C0001", "Deposit", {"amount": 100}, is_login_id=True)
    sdk.profile_set("C0001", {"level": "C3"}, is_login_id=True)
    sdk.profile_increment("C0001", {"visits": 1}, is_login_id=True)
    sdk.profile_append("C0001", {"tags": ["x"]}, is_login_id=True)
    identity = sensorsanalytics.SensorsAnalyticsIdentity
    sdk.bind(identity(identity.LOGIN_ID, "C0001"), identity(identity.MOBILE, "13900139001"))
    sdk.track_by_id("Login", {}, identity(identity.LOGIN_ID, "C0001"))
    sdk.flush()
    sdk.close()
    events = stored().values()
    assert len(events) == 8
    by_name = {event.name: event for event in events if event.kind == 1}
    assert by_name.keys() == {"ViewNews", "Deposit", "Login"}
    assert by_name["ViewNews"].number_properties["amount"] == 12.3457
    assert by_name["ViewNews"].ids[0].type == "anonymous_id"
    assert dict(by_name["Deposit"].context) == {"lib": "python", "app_version": "7.1"}
    assert sorted(event.kind for event in events) == [1, 1, 1, 2, 2, 4, 6, 7]
    links = [[i.type for i in event.ids] for event in events if event.kind == 2]
    assert sorted(links) == [["customer_no", "anonymous_id"], ["customer_no", "mobile"]]
    assert {event.source for event in events} == {"sensors"}


@pytest.mark.parametrize("zipped", [False, True])
def test_the_segment_sdk(collect, stored, zipped):
    failures = []
    client = Client(
        WRITE_KEY, host=collect.url, gzip=zipped, on_error=lambda e, _: failures.append(e)
    )
    client.track("C0002", "Deposit Made", {"amount": 5, "bank": {"name": "ICBC"}}, message_id="t1")
    client.identify("C0002", {"level": "C3"}, anonymous_id="an-1x", message_id="i1")
    client.page("C0002", name="Home", message_id="p1")
    client.screen("C0002", name="Quote", message_id="s1")
    client.alias("an-2x", "C0002", message_id="a1")
    client.group("C0002", "g1", message_id="g1")
    client.flush()
    client.join()
    assert failures == []
    events = stored()
    assert events.keys() == {"t1", "i1", "p1", "s1", "a1", "g1"}
    assert (events["i1"].kind, events["i1"].evidence_class) == (4, 3)
    assert events["p1"].name == "page_view"
    assert events["a1"].kind == 2
    assert abs(events["t1"].event_time_ms - now_ms()) < 30_000
    assert events["t1"].context["lib"] == "analytics-python"


def test_an_sdk_does_not_send_again_what_was_refused(collect, stored):
    failures = []
    client = Client(WRITE_KEY, host=collect.url, on_error=lambda e, _: failures.append(e))
    client.track("null", "x", message_id="bad")
    client.track("C0002", "x", message_id="good")
    client.flush()
    client.join()
    assert failures == []
    assert stored().keys() == {"good"}


# --- HTTP --------------------------------------------------------------------------------


def test_refused_records_are_listed_and_the_others_taken(collect, stored):
    records = [
        record(_track_id=1),
        record(type="item_set"),
        record(identities={"$identity_x": "1"}),
        record(time=now_ms() + 4 * 3_600_000),
        record(time=now_ms() - 11 * 86_400_000),
        record(properties={"a": {}}),
        record(project="other"),
        17,
    ]
    status, answer, _ = post(sa(collect), form(records))
    assert status == 200
    assert answer["accepted"] == 1
    assert [(row["index"], row["reason"]) for row in answer["refused"]] == [
        (1, "RECORD_TYPE_UNSUPPORTED"),
        (2, "IDENTITY_KEY_UNKNOWN"),
        (3, "FAR_FUTURE"),
        (4, "TOO_OLD"),
        (5, "VALUE_INVALID"),
        (6, "PROJECT_MISMATCH"),
        (7, "RECORD_INVALID"),
    ]
    assert len(stored()) == 1


def test_a_record_nested_beyond_reason_is_refused_alone(collect, stored):
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    message = {"type": "track", "userId": "C1", "event": "x", "messageId": "good"}
    odd = b'{"type":"track","userId":"C1","event":"x","properties":' + deep + b"}"
    batch = b'{"batch":[' + orjson.dumps(message) + b"," + odd + b"]}"
    status, answer, _ = post(f"{collect.url}/v1/batch", batch, Authorization=basic())
    assert (status, answer["accepted"]) == (200, 1)
    assert [(row["index"], row["code"]) for row in answer["refused"]] == [(1, "RECORD_INVALID")]
    assert "good" in stored()
    records = b"[" + orjson.dumps(record(properties=5)).replace(b"5}", deep + b"}") + b"]"
    data = urllib.parse.urlencode({"data_list": base64.b64encode(records)}).encode()
    status, answer, _ = post(sa(collect), data)
    assert (status, [row["code"] for row in answer["refused"]]) == (200, ["RECORD_INVALID"])


def test_marked_history_may_be_old(collect, stored):
    old = now_ms() - 90 * 86_400_000
    records = [record(time=old), record(time=old, time_free=True), record()]
    status, answer, _ = post(sa(collect), form(records))
    assert (status, answer["accepted"]) == (200, 2)
    assert [row["index"] for row in answer["refused"]] == [0]
    assert old in {event.event_time_ms for event in stored().values()}


def test_no_records_are_answered_as_durable_as_any(collect, stored):
    _, some, _ = post(sa(collect), form([record()]))
    status, none, _ = post(sa(collect), form([]))
    assert (status, none["accepted"], none["durability"]) == (200, 0, some["durability"])
    assert none["durability"]


def test_the_image(collect, stored):
    data = base64.b64encode(orjson.dumps(record())).decode()
    query = urllib.parse.urlencode({"project": "demo", "token": WRITE_KEY, "data": data})
    status, body, headers = answer_of(urllib.request.Request(f"{collect.url}/sa.gif?{query}"))  # noqa: S310
    assert (status, headers["Content-Type"]) == (200, "image/gif")
    assert body.startswith(b"GIF89a")
    assert len(stored()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data_list=%%%",
        b"data_list=" + base64.b64encode(b"\x1f\x8b\x08broken"),
        b"data_list=" + base64.b64encode(b'[{"type":'),
        b"data=" + base64.b64encode(b"\xff\xfe"),
        b"\xff\xfe\xfd",
        form([record()], crc="17"),
        form([record()] * 5001),
    ],
)
def test_a_body_that_cannot_be_read_is_given_up(collect, stored, body):
    status, answer, _ = post(sa(collect), body)
    assert (status, answer["reason"]) == (400, "BODY_INVALID")
    assert stored() == {}


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"5", b'{"batch": 5}', b'{"batch": NaN}', b"\xff", b'{"batch": ["\\ud800"'],
)
def test_a_batch_that_cannot_be_read_is_given_up(collect, stored, body):
    status, answer, _ = post(f"{collect.url}/v1/batch", body, Authorization=basic())
    assert (status, answer["code"]) == (400, "BODY_INVALID")
    assert stored() == {}


def test_numbers_that_json_has_not(collect, stored):
    message = (
        b'{"batch": [{"type": "track", "event": "x", "userId": "C1", "properties": {"a": %s}}]}'
    )
    for number in (b"1e999", b"NaN", b"Infinity", b"1e300", b"-9.1e14", b"9" * 400):
        status, answer, _ = post(f"{collect.url}/v1/batch", message % number, Authorization=basic())
        reasons = [answer.get("reason")] + [row["reason"] for row in answer.get("refused", [])]
        assert (status, reasons) in [(400, ["BODY_INVALID"]), (200, [None, "VALUE_INVALID"])]
    assert stored() == {}


def test_bombs_and_large_bodies(collect, stored):
    before = psutil.Process(collect.process.pid).memory_info().rss
    bomb = gzip.compress(b"0" * 200_000_000)
    headers = {"Authorization": basic(), "Content-Encoding": "gzip"}
    for _ in range(3):
        status, answer, _ = post(f"{collect.url}/v1/batch", bomb, **headers)
        assert (status, answer["code"]) == (413, "BODY_TOO_LARGE")
        status, answer, _ = post(f"{collect.url}/v1/batch", b"x" * 5_000_000, Authorization=basic())
        assert (status, answer["code"]) == (413, "BODY_TOO_LARGE")
        data = {"data_list": base64.b64encode(bomb), "gzip": 1}
        status, answer, _ = post(sa(collect), urllib.parse.urlencode(data).encode())
        assert (status, answer["code"]) == (413, "BODY_TOO_LARGE")
    assert psutil.Process(collect.process.pid).memory_info().rss < before + 150_000_000
    assert post(sa(collect), form([record()]))[0] == 200
    assert len(stored()) == 1


def test_a_small_body_of_very_many_values_is_refused_at_both_doors(collect, stored):
    before = psutil.Process(collect.process.pid).memory_info().rss
    values = b"[]," * 5_500_000
    packed = gzip.compress(b'{"batch": [], "x": [%s0]}' % values)
    headers = {"Content-Encoding": "gzip"}
    status, answer, _ = post(f"{collect.url}/v1/batch", packed, **headers)
    assert (status, answer["code"]) == (401, "TOKEN_INVALID")
    status, answer, _ = post(f"{collect.url}/v1/batch", packed, Authorization=basic(), **headers)
    assert (status, answer["code"]) == (413, "BODY_TOO_LARGE")
    data = {"data_list": base64.b64encode(gzip.compress(b"[%s0]" % values)), "gzip": 1}
    status, answer, _ = post(sa(collect), urllib.parse.urlencode(data).encode())
    assert (status, answer["code"]) == (413, "BODY_TOO_LARGE")
    assert psutil.Process(collect.process.pid).memory_info().rss < before + 100_000_000
    assert stored() == {}


@pytest.mark.parametrize(
    ("token", "project", "status", "reason"),
    [
        ("", "demo", 401, "TOKEN_INVALID"),
        ("wrong", "demo", 401, "TOKEN_INVALID"),
        (OTHER_KEY, "demo", 403, "PROJECT_FORBIDDEN"),
    ],
)
def test_keys(collect, stored, token, project, status, reason):
    answers = [
        post(sa(collect, token, project), form([record()])),
        post(
            f"{collect.url}/v1/batch?project={project}",
            b'{"batch": []}',
            Authorization=basic(token),
        ),
    ]
    assert [(code, answer["reason"]) for code, answer, _ in answers] == [(status, reason)] * 2
    assert stored() == {}


def test_what_does_not_exist(collect):
    assert post(f"{collect.url}/v1/teleport", b"{}")[0] == 404
    assert post(f"{collect.url}/nothing", b"{}")[0] == 404


def test_the_trace_of_a_post_goes_with_the_entry(collect, redis_url):
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    assert post(sa(collect), form([record()]), traceparent=parent)[0] == 200
    with redis.Redis.from_url(redis_url) as client:
        found = [f for p in range(4) for _, f in client.xrange(f"siyu.events.{p}")]
    assert found[0][b"t"].decode().startswith(f"00-{'ab' * 16}-")


# --- gRPC --------------------------------------------------------------------------------


async def ingest(collect, raw, token=None, timeout_s=20):
    headers = () if token is None else (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(collect.target) as channel:
        method = channel.unary_unary(INGEST)
        return IngestResponse.FromString(await method(raw, metadata=headers, timeout=timeout_s))


async def refused(collect, raw, token=None):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ingest(collect, raw, token)
    return caught.value.code().name, from_rpc_error(caught.value).reason


async def test_garbage_at_the_grpc_door(collect, stored):
    token = collect.token()
    good = IngestRequest(project_id="demo", events=[event(i) for i in range(50)])
    raw = good.SerializeToString()
    assert await refused(collect, raw[:-3], token) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    assert await refused(collect, raw) == ("UNAUTHENTICATED", "TOKEN_INVALID")
    assert await refused(collect, raw, "x.y.z") == ("UNAUTHENTICATED", "TOKEN_INVALID")
    assert (await refused(collect, raw, collect.token("analyst")))[0] == "PERMISSION_DENIED"
    other = collect.token(projects=["other"])
    assert await refused(collect, raw, other) == ("PERMISSION_DENIED", "PROJECT_FORBIDDEN")
    large = IngestRequest(
        project_id="demo", events=[event(1, string_properties={"a": "x" * 5_000_000})]
    )
    assert (await refused(collect, large.SerializeToString(), token))[0] == "RESOURCE_EXHAUSTED"
    assert stored() == {}
    odd = [
        event(1),
        event(2, number_properties={"a": float("nan")}),
        event(3, event_time_ms=now_ms() + 4 * 3_600_000),
        event(4, ids=[]),
        event(5, kind=77),
        event(6, string_properties={"a": "x" * 9000}),
        event(7),
    ]
    answer = await ingest(
        collect, IngestRequest(project_id="demo", events=odd).SerializeToString(), token
    )
    assert (answer.accepted, [row.index for row in answer.refused]) == (2, [1, 2, 3, 4, 5])
    assert stored().keys() == {"m1", "m7"}


async def test_mutated_requests_never_stop_the_process(collect, stored):
    token = collect.token()
    rng = random.Random(7)
    codes = set()
    raw = IngestRequest(
        project_id="demo", events=[event(i, number_properties={"a": 1.5}) for i in range(20)]
    ).SerializeToString()
    for _ in range(200):
        broken = bytearray(raw)
        for _ in range(rng.randint(1, 8)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            await ingest(collect, bytes(broken), token)
        except grpc.aio.AioRpcError as error:
            codes.add(error.code().name)
    assert codes <= {"INVALID_ARGUMENT", "PERMISSION_DENIED"}
    assert collect.running
    assert (await ingest(collect, raw, token)).accepted == 20
    assert "rpc_failed" not in collect.log()


# --- the stream goes away ----------------------------------------------------------------


async def test_nothing_is_promised_while_the_stream_is_down(tmp_path):
    server = RedisServer()
    collect = CollectProcess(server.url, tmp_path)
    raw = IngestRequest(project_id="demo", events=[event()]).SerializeToString()
    try:
        assert '"durability": "durable"' in collect.log()
        assert (await ingest(collect, raw, collect.token())).accepted == 1
        server.kill()
        started = time.monotonic()
        assert await refused(collect, raw, collect.token()) == ("UNAVAILABLE", "DEPENDENCY_DOWN")
        status, answer, _ = await asyncio.to_thread(post, sa(collect), form([record()]))
        assert (status, answer["reason"]) == (503, "DEPENDENCY_DOWN")
        assert time.monotonic() - started < 20
        server.start()
        for _ in range(50):
            status, answer, _ = await asyncio.to_thread(post, sa(collect), form([record()]))
            if status == 200:
                break
            await asyncio.sleep(0.1)
        assert status == 200
        with redis.Redis.from_url(server.url) as client:
            assert sum(client.xlen(f"siyu.events.{p}") for p in range(4)) == 2
        assert collect.stop() == 0
    finally:
        collect.stop()
        server.stop()


async def test_a_log_that_nobody_reads_closes_the_door(tmp_path):
    server = RedisServer()
    collect = CollectProcess(server.url, tmp_path, SIYU_COLLECT_MAX_STREAM_ENTRIES="2")
    try:
        raw = IngestRequest(
            project_id="demo", events=[event(i) for i in range(40)]
        ).SerializeToString()
        assert (await ingest(collect, raw, collect.token())).accepted == 40
        status, headers = 200, {}
        for _ in range(50):
            status, answer, headers = await asyncio.to_thread(post, sa(collect), form([record()]))
            if status != 200:
                break
            await asyncio.sleep(0.1)
        assert (status, answer["reason"]) == (429, "OVERLOADED")
        assert int(headers["Retry-After"]) >= 1
        assert await refused(collect, raw, collect.token()) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    finally:
        collect.stop()
        server.stop()


def test_a_door_with_another_number_of_partitions_does_not_start(redis_url, tmp_path):
    with redis.Redis.from_url(redis_url) as client:
        client.set("siyu.partitions", 4)
    with pytest.raises(RuntimeError) as failed:
        CollectProcess(redis_url, tmp_path, SIYU_PARTITIONS="2")
    told = str(failed.value)
    assert "SIYU_PARTITIONS: is 2 here, but the events lie in 4 partitions" in told
    assert "Traceback" not in told
