import asyncio
import re

import grpc
import orjson
import pytest
import pytest_asyncio
from grpc import aio

from siyu.collect.v1.collect_service_pb2 import ImportRequest, IngestRequest, IngestStreamRequest
from siyu.collect.v1.collect_service_pb2_grpc import (
    CollectServiceStub,
    add_CollectServiceServicer_to_server,
)
from siyu.collect.v1.error_reason_pb2 import ErrorReason
from siyu.event.v1.event_pb2 import Event, EventBatch
from siyu.type.v1.error_reason_pb2 import ErrorReason as CommonReason
from siyu_collect.app.backpressure import Backpressure
from siyu_collect.app.import_lines import ImportLines
from siyu_collect.app.take_events import TakeEvents
from siyu_collect.rpc.requests import MIN_BYTES
from siyu_collect.rpc.servicer import CollectServicer
from siyu_collect.stream.log import StreamEventLog
from siyu_collect.stream.tally import MetricTally
from siyu_kit.clock import ManualClock
from siyu_kit.errors import (
    DependencyDown,
    InvalidInput,
    PermissionDenied,
    QuotaExceeded,
    Unauthenticated,
)
from siyu_kit.rpc.client import call
from siyu_kit.rpc.status import from_status
from siyu_kit.service import Servicer
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.telemetry import DISABLED, span_from
from siyu_kit.testing.rpc import serve
from support.tree import ROOT

NOW = 1_790_000_000_000
PARTITIONS = 2


class FlakyStream(MemoryStreamStore):
    down = False

    async def append_many(self, entries):
        if self.down:
            raise DependencyDown("STREAM_DOWN", "no")
        return await super().append_many(entries)


class Door:
    def __init__(self):
        self.clock = ManualClock(NOW)
        self.stream = FlakyStream(self.clock)
        log = StreamEventLog(self.stream, PARTITIONS, append_timeout_s=2)
        self.bounds = Backpressure(
            log, self.clock, max_in_flight_bytes=10**8, max_log_entries=10**6, max_log_bytes=10**9
        )
        self.charged = []
        take = TakeEvents(log, self.bounds, MetricTally(DISABLED.meter), PARTITIONS, self._charge)
        self.servicer = CollectServicer(take, ImportLines(take, self.clock), self.clock)

    def _charge(self, project_id, events):
        self.charged.append((project_id, events))

    async def entries(self):
        found = await self.stream.read(dict.fromkeys(range(PARTITIONS), "0-0"), "events")
        return [entry for entries in found.values() for entry in entries]

    async def events(self):
        return [
            event
            for entry in await self.entries()
            for event in EventBatch.FromString(entry.payload).events
        ]


@pytest.fixture
def door():
    return Door()


@pytest_asyncio.fixture
async def served(door):
    servicer = door.servicer
    readers = servicer.readers
    async with serve(Servicer(add_CollectServiceServicer_to_server, servicer, readers)) as served:
        yield served


@pytest.fixture
def stub(served):
    return CollectServiceStub(served.channel("ingest", projects=["demo"]))


def event(i=1, **fields):
    given = {
        "message_id": f"m{i}",
        "ids": [{"type": "customer_no", "value": f"C{i:04d}"}],
        "kind": 1,
        "name": "deposit",
        "event_time_ms": NOW - i,
    }
    return Event(**(given | fields))


async def test_ingest_makes_durable_and_lists_what_it_refuses(stub, door):
    batch = [event(1), event(2, name=""), event(3, kind=4, name="", number_properties={"a": 1})]
    answer = await call(stub.Ingest, IngestRequest(project_id="demo", events=batch))
    assert answer.accepted == 2
    (row,) = answer.refused
    error = from_status(row.status)
    assert (row.index, error.reason, error.field) == (1, "NAME_INVALID", "name")
    stored = {event.message_id: event for event in await door.events()}
    assert stored.keys() == {"m1", "m3"}
    assert stored["m1"].project_id == "demo"
    assert (stored["m1"].received_time_ms, stored["m1"].client_time_ms) == (NOW, NOW - 1)


def large(count, start=0, **fields):
    """Events enough to be read as columns."""
    texts = {"page": "home/news/" + "x" * 150, "title": "央行宣布下调存款准备金率"}
    batch = [event(start + i, string_properties=texts, **fields) for i in range(count)]
    assert sum(item.ByteSize() for item in batch) > MIN_BYTES
    return batch


async def test_a_large_batch_is_made_durable_but_for_what_is_refused(stub, door):
    batch = large(200)
    batch[7].name = ""
    batch[9].string_properties["1"] = "x"
    batch[11].event_time_ms = NOW + 5
    batch[13].ids.add(type="device_id", value="d")
    answer = await call(stub.Ingest, IngestRequest(project_id="demo", events=batch))
    refused = [(row.index, from_status(row.status).reason) for row in answer.refused]
    assert refused == [(7, "NAME_INVALID"), (9, "KEY_INVALID")]
    assert answer.accepted == 198
    assert door.charged == [("demo", 200)]
    events = await door.events()
    stored = {event.message_id: event for event in events}
    assert len(events) == len(stored) == 198
    for sent in batch:
        if (found := stored.get(sent.message_id)) is None:
            continue
        assert (found.project_id, found.source, found.received_time_ms) == ("demo", "grpc", NOW)
        assert found.client_time_ms == sent.event_time_ms
        assert found.event_time_ms == min(sent.event_time_ms, NOW)
        assert found.evidence_class == (5 if len(sent.ids) > 1 else 0)
        for item in (found, sent):
            item.project_id = item.source = ""
            item.evidence_class = 0
            for time in ("received_time_ms", "client_time_ms", "event_time_ms"):
                setattr(item, time, 0)
        assert found == sent


async def test_a_large_request_that_is_no_message_is_refused_whole(served, door):
    raw = IngestRequest(project_id="demo", events=large(200)).SerializeToString()
    ingest = served.channel("ingest", projects=["demo"]).unary_unary(
        "/siyu.collect.v1.CollectService/Ingest"
    )
    for broken in (raw[:-1], raw.replace("央".encode(), b"\xff\xff\xff", 1)):
        with pytest.raises(aio.AioRpcError) as caught:
            await ingest(broken)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "the request is not a valid message"
    assert await door.entries() == []


async def test_large_batches_of_a_stream_count_their_events(stub, door):
    async def batches():
        for start in (0, 1_000, 2_000):
            batch = large(200, start)
            batch[3].name = ""
            yield IngestStreamRequest(project_id="demo", events=batch)

    answer = await call(stub.IngestStream, batches())
    assert (answer.accepted, answer.refused_count) == (597, 3)
    assert [row.index for row in answer.refused] == [3, 203, 403]
    assert len(await door.events()) == 597


async def test_an_entry_tells_what_is_in_it(stub, door):
    await call(stub.Ingest, IngestRequest(project_id="demo", events=[event(1)]))
    (entry,) = await door.entries()
    assert (entry.count, entry.kinds) == (1, 1)


async def test_the_trace_of_the_call_goes_with_the_entry(stub, door):
    with span_from("test") as scope:
        await call(stub.Ingest, IngestRequest(project_id="demo", events=[event(1)]))
    (entry,) = await door.entries()
    assert entry.trace.startswith(f"00-{scope.trace_id:032x}-")


async def test_ingest_stream_counts_over_its_batches(stub, door):
    async def batches():
        for n in range(3):
            events = [event(10 * n + i) for i in range(1, 5)] + [event(99, name="")]
            yield IngestStreamRequest(project_id="demo", events=events)

    answer = await call(stub.IngestStream, batches())
    assert (answer.accepted, answer.refused_count) == (12, 3)
    assert [row.index for row in answer.refused] == [4, 9, 14]
    assert len(await door.events()) == 12


async def test_a_batch_of_a_stream_is_durable_as_it_arrives(stub, door):
    stored = asyncio.Event()

    async def batches():
        yield IngestStreamRequest(project_id="demo", events=[event(1)])
        while not await door.entries():
            await asyncio.sleep(0.01)
        stored.set()

    answer = await call(stub.IngestStream, batches(), timeout_s=10)
    assert answer.accepted == 1
    assert stored.is_set()


async def test_import_takes_history(stub, door):
    line = {"message_id": "h1", "type": "track", "ids": {"mobile": "13900139001"}, "event": "x"}
    lines = orjson.dumps(line | {"time": NOW - 400 * 86_400_000}) + b"\n{}\n"

    async def chunks():
        for start in range(0, len(lines), 10):
            yield ImportRequest(project_id="demo", lines=lines[start : start + 10])

    answer = await call(stub.Import, chunks())
    assert (answer.accepted, answer.refused_count) == (1, 1)
    assert answer.refused[0].index == 1
    (stored,) = await door.events()
    assert (stored.source, stored.ids[0].value) == ("import", "+8613900139001")


async def test_an_import_of_nothing(stub):
    async def chunks():
        for _ in ():
            yield ImportRequest()

    assert (await call(stub.Import, chunks())).accepted == 0


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (IngestRequest(project_id="demo"), "events"),
        (IngestRequest(project_id="demo", events=[event()] * 5001), "events"),
        (IngestRequest(events=[event()]), "project_id"),
    ],
)
async def test_a_request_that_is_wrong_as_a_whole(stub, request_, field):
    with pytest.raises(InvalidInput) as caught:
        await call(stub.Ingest, request_)
    assert (caught.value.reason, caught.value.field) == ("FIELD_INVALID", field)


async def test_a_project_id_is_a_plain_word(served):
    stub = CollectServiceStub(served.channel("ingest"))
    with pytest.raises(InvalidInput) as caught:
        await call(stub.Ingest, IngestRequest(project_id="de\nmo", events=[event()]))
    assert caught.value.field == "project_id"


async def test_a_stream_keeps_to_one_project(served):
    stub = CollectServiceStub(served.channel("ingest"))

    async def batches():
        yield IngestStreamRequest(project_id="demo", events=[event(1)])
        yield IngestStreamRequest(project_id="other", events=[event(2)])

    with pytest.raises(InvalidInput) as caught:
        await call(stub.IngestStream, batches())
    assert caught.value.field == "project_id"


async def test_who_may_not_pass(served, stub):
    request = IngestRequest(project_id="demo", events=[event()])
    with pytest.raises(Unauthenticated):
        await call(CollectServiceStub(served.anonymous()).Ingest, request)
    with pytest.raises(PermissionDenied) as caught:
        await call(CollectServiceStub(served.channel("analyst")).Ingest, request)
    assert caught.value.reason == "PERMISSION_MISSING"
    request.project_id = "other"
    with pytest.raises(PermissionDenied) as caught:
        await call(stub.Ingest, request)
    assert caught.value.reason == "PROJECT_FORBIDDEN"


async def test_a_stream_that_is_down_is_told(stub, door):
    door.stream.down = True
    request = IngestRequest(project_id="demo", events=[event()])
    with pytest.raises(DependencyDown) as caught:
        await call(stub.Ingest, request, timeout_s=5)
    assert caught.value.reason == "DEPENDENCY_DOWN"
    door.stream.down = False
    assert (await call(stub.Ingest, request)).accepted == 1


async def test_a_full_log_says_when_to_come_again(stub, door):
    door.bounds.backlogged = True
    with pytest.raises(QuotaExceeded) as caught:
        await call(stub.Ingest, IngestRequest(project_id="demo", events=[event()]))
    assert caught.value.reason == "OVERLOADED"
    assert caught.value.retry_after_s > 0
    assert await door.entries() == []


async def test_what_the_contract_does_not_know_is_not_passed_on(stub, door):
    raw = event(1).SerializeToString() + b"\xa2\x06\x03abc"  # field 100
    request = IngestRequest.FromString(b"\x0a\x04demo\x12" + bytes([len(raw)]) + raw)
    assert (await call(stub.Ingest, request)).accepted == 1
    (entry,) = await door.entries()
    assert b"abc" not in entry.payload


def test_every_reason_that_the_code_gives_is_in_the_contract():
    known = {
        name.removeprefix("ERROR_REASON_") for name in (*ErrorReason.keys(), *CommonReason.keys())
    }
    source = ROOT / "services/collect/src/siyu_collect"
    raising = re.compile(
        r"(?:InvalidInput|Unauthenticated|PermissionDenied|TooBusy|DependencyDown|BodyTooLarge"
        r'|BodyTooSlow)\(\s*"(\w+)"'
    )
    given = {
        reason for path in source.rglob("*.py") for reason in raising.findall(path.read_text())
    }
    assert len(given) > 15
    assert given <= known
    own = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()}  # noqa: SIM118 - an enum wrapper, no dict
    assert own - given == {"UNSPECIFIED"}
