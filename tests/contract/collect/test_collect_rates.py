"""Streams that wait for their project's rate hold no slot of others meanwhile."""

import asyncio
import json

import orjson
import pytest

from siyu.collect.v1.collect_service_pb2 import ImportRequest, IngestRequest, IngestStreamRequest
from siyu.collect.v1.collect_service_pb2_grpc import (
    CollectServiceStub,
    add_CollectServiceServicer_to_server,
)
from siyu.event.v1.event_pb2 import Event
from siyu_collect.app import import_lines
from siyu_collect.app.backpressure import Backpressure
from siyu_collect.app.import_lines import ImportLines
from siyu_collect.app.take_events import TakeEvents
from siyu_collect.rpc.servicer import CollectServicer
from siyu_collect.stream.log import StreamEventLog
from siyu_collect.stream.tally import MetricTally
from siyu_kit.clock import SystemClock
from siyu_kit.limits.admission import Admission, AdmissionBounds
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.limits.policy import LimitPolicy
from siyu_kit.limits.priority import Priority
from siyu_kit.rpc.client import call
from siyu_kit.service import Servicer
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.telemetry import DISABLED
from siyu_kit.testing.rpc import serve

ONE = Slots(1, waiting=8, waiting_each=8)
NOISY = {"events_per_s": 0.1, "burst_s": 10}
"""One event at once, the next after ten seconds."""


@pytest.fixture
def admission(tmp_path):
    path = tmp_path / "limits.json"
    path.write_text(json.dumps({"projects": {"noisy": NOISY}}))
    return Admission(LimitPolicy(path), AdmissionBounds(ordinary=ONE, low=ONE))


@pytest.fixture
async def stub(admission):
    clock = SystemClock()
    log = StreamEventLog(MemoryStreamStore(clock), 2, append_timeout_s=2)
    bounds = Backpressure(
        log, clock, max_in_flight_bytes=10**8, max_log_entries=10**6, max_log_bytes=10**9
    )
    tally = MetricTally(DISABLED.meter)
    take = TakeEvents(log, bounds, tally, 2, admission.charge_events)
    servicer = CollectServicer(take, ImportLines(take, clock), clock)
    add = add_CollectServiceServicer_to_server
    async with serve(Servicer(add, servicer, servicer.readers), admission=admission) as served:
        yield CollectServiceStub(served.channel("ingest", projects=["noisy", "calm"]))


def _event(number):
    return Event(
        message_id=f"m{number}",
        ids=[{"type": "customer_no", "value": "C0001"}],
        kind=1,
        name="deposit",
        event_time_ms=SystemClock().now_ms(),
    )


def _line(number):
    ids = {"customer_no": "C0001"}
    line = {"message_id": f"m{number}", "type": "track", "ids": ids, "event": "deposit"}
    return orjson.dumps(line | {"time": SystemClock().now_ms()}) + b"\n"


async def _until_refused(admission, monkeypatch):
    """Until the noisy stream has found its rate used up."""
    refused, charge = asyncio.Event(), admission._count

    def count(busy, priority):
        refused.set()
        charge(busy, priority)

    monkeypatch.setattr(admission, "_count", count)
    await asyncio.wait_for(refused.wait(), 5)
    await asyncio.sleep(0.05)


async def test_a_stream_of_events_waits_for_its_rate_outside_of_the_slot(
    stub, admission, monkeypatch
):
    async def messages():
        for number in range(5):
            yield IngestStreamRequest(project_id="noisy", events=[_event(number)])

    noisy = asyncio.ensure_future(stub.IngestStream(messages(), timeout=30))
    await _until_refused(admission, monkeypatch)
    assert admission._pools[Priority.ORDINARY].running == 0
    calm = IngestRequest(project_id="calm", events=[_event(9)])
    assert (await call(stub.Ingest, calm, timeout_s=2)).accepted == 1
    assert not noisy.done()
    noisy.cancel()


async def test_an_import_waits_for_its_rate_outside_of_the_slot(stub, admission, monkeypatch):
    monkeypatch.setattr(import_lines, "RUN", 1)

    async def lines(project_id, count):
        yield ImportRequest(project_id=project_id, lines=b"".join(map(_line, range(count))))

    many = import_lines.UNDER_WAY * 3
    noisy = asyncio.ensure_future(stub.Import(lines("noisy", many), timeout=30))
    await _until_refused(admission, monkeypatch)
    assert admission._pools[Priority.LOW].running == 0
    assert (await stub.Import(lines("calm", 3), timeout=2)).accepted == 3
    assert not noisy.done()
    noisy.cancel()
