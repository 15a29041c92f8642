"""Log line, metric and trace of a failure name the same trace and span."""

import pytest

from siyu.segment.v1 import segment_service_pb2 as segment
from siyu_client.client import call
from siyu_kit.errors import InternalError
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.telemetry import format_traceparent
from support.sqlite_faults import without_table

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
METHOD = "siyu.segment.v1.SegmentService/ListSegments"


async def test_a_call_that_fails_inside(watched, receiver, client, eventually):
    request = segment.ListSegmentsRequest(project_id="watched")
    database = watched.folder / "segment" / "state.db"
    with without_table(database, "segment_version"), pytest.raises(InternalError) as failure:
        await call(client.segment.ListSegments, request)
    told = failure.value.metadata["trace_id"]

    def span():
        return next((one for one in receiver.named(METHOD, "siyu-segment") if one.failed), None)

    failed = await eventually(span)
    assert (failed.kind, failed.status, failed.ids[0]) == ("SERVER", "INTERNAL", told)

    (record,) = await eventually(
        lambda: [one for one in receiver.logs if one.body == "rpc_failed" and one.ids[0] == told]
    )
    assert record.ids == failed.ids
    assert record.severity == "ERROR"
    assert "no such table" in record.attributes["exception.stacktrace"]
    log_file = watched.processes["segment"].log_file.read_text(encoding="utf-8")
    assert told in log_file

    def exemplars(name, **labels):
        found = receiver.series(name, rpc_method=METHOD, **labels)
        return [
            ids for point in found if point.service == "siyu-segment" for ids in point.exemplars
        ]

    await eventually(
        lambda: (
            failed.ids in exemplars("rpc.server.call.duration", rpc_response_status_code="INTERNAL")
        )
    )
    await eventually(lambda: failed.ids in exemplars("siyu_rpc_errors_total", reason="INTERNAL"))
    (errors,) = receiver.series("siyu_rpc_errors_total", rpc_method=METHOD)
    assert errors.value == 1


async def test_an_entry_that_nobody_can_read(watched, receiver, eventually):
    cause = format_traceparent(0xABCDEF0123456789, 0x1234, sampled=True)
    stream = RedisStreamStore(watched.stream_url)
    await stream.append("events", 0, [NewEntry(b"\xff\xff no batch", kinds=7, trace=cause)])
    await stream.aclose()

    (record,) = await eventually(
        lambda: [
            one
            for one in receiver.logs
            if one.body == "entry_dead_lettered" and one.service == "siyu-identity"
        ]
    )
    batch = await eventually(lambda: receiver.spans.get(record.ids))
    assert batch.name == "process events"
    assert [trace for trace, _ in batch.links] == [f"{0xABCDEF0123456789:032x}"]

    def counted():
        found = receiver.series("siyu_stream_dead_letters_total", reader="identity")
        return [point for point in found if record.ids in point.exemplars]

    (letters,) = await eventually(counted)
    assert letters.attributes["reason"] == record.attributes["reason"] == "UNREADABLE_PAYLOAD"
    (open_now,) = await eventually(
        lambda: receiver.series("siyu_stream_dead_letters_open", reader="identity")
    )
    assert open_now.value == 1
