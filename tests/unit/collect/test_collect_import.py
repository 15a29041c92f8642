import tracemalloc
from collections import Counter

import orjson
import pytest

from siyu.event.v1.event_pb2 import Event, EventBatch
from siyu_collect.app import import_lines
from siyu_collect.app.backpressure import Backpressure
from siyu_collect.app.event_message import event_of
from siyu_collect.app.import_lines import ImportLines
from siyu_collect.app.take_events import TakeEvents
from siyu_collect.domain.json_line import fields_of
from siyu_kit.clock import ManualClock
from siyu_kit.errors import DependencyDown, InvalidInput, TooBusy

NOW = 1_790_000_000_000
LINE = {
    "message_id": "m1",
    "type": "track",
    "ids": {"customer_no": "C0001", "device_id": "d-1"},
    "event": "deposit",
    "time": NOW - 90 * 86_400_000,
    "properties": {
        "amount": 12.5,
        "channel": "app",
        "vip": True,
        "tags": ["a", "b"],
        "opened": {"$time": NOW},
        "none": None,
    },
    "context": {"lib": "crm"},
    "authenticated": True,
}


class Log:
    durability = "durable"

    def __init__(self, failures=()):
        self.failures = list(failures)
        self.events = []
        self.refused = Counter()

    async def append(self, project_id, batches, refused, trace):
        if self.failures and (error := self.failures.pop(0)):
            raise error
        self.refused.update(refused)
        for batch in batches:
            self.events += EventBatch.FromString(batch.payload).events

    async def entries(self):
        return 0


class Tally:
    def __init__(self):
        self.counts = {}

    def accepted(self, source, count):
        self.refused(source, "", count)

    def refused(self, source, reason, count=1):
        self.counts[source, reason] = self.counts.get((source, reason), 0) + count


def use_case(log, clock=None):
    clock = clock or ManualClock(NOW)
    bounds = Backpressure(
        log, clock, max_in_flight_bytes=10**8, max_log_entries=10, max_log_bytes=10**9
    )
    tally = Tally()
    return ImportLines(TakeEvents(log, bounds, tally, 2), clock), tally


async def chunks_of(data, size):
    for start in range(0, len(data), size):
        yield data[start : start + size]


def test_a_line_with_everything():
    event = event_of(fields_of(LINE))
    assert event == Event(
        message_id="m1",
        kind=1,
        name="deposit",
        event_time_ms=LINE["time"],
        ids=[{"type": "customer_no", "value": "C0001"}, {"type": "device_id", "value": "d-1"}],
        number_properties={"amount": 12.5},
        string_properties={"channel": "app"},
        bool_properties={"vip": True},
        list_properties={"tags": {"values": ["a", "b"]}},
        time_properties={"opened": NOW},
        context={"lib": "crm"},
        evidence_class=3,
    )


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"extra": 1}, "RECORD_INVALID", "extra"),
        ({"type": "teleport"}, "KIND_INVALID", "type"),
        ({"ids": []}, "RECORD_INVALID", "ids"),
        ({"ids": {"mobile": 139}}, "RECORD_INVALID", "ids.mobile"),
        ({"time": "noon"}, "RECORD_INVALID", "time"),
        ({"time": 1.5}, "RECORD_INVALID", "time"),
        ({"event": 5}, "RECORD_INVALID", "event"),
        ({"properties": [1]}, "RECORD_INVALID", "properties"),
        ({"properties": {"a": {"b": 1}}}, "VALUE_INVALID", "properties[a]"),
        ({"properties": {"a": [1]}}, "VALUE_INVALID", "properties[a]"),
        ({"properties": {"a": {"$time": 2**60}}}, "VALUE_INVALID", "properties[a]"),
        ({"context": {"lib": 5}}, "RECORD_INVALID", "context.lib"),
        *(
            ({name: odd}, "RECORD_INVALID", name)
            for name, odds in {
                "properties": ([], 0, "", False),
                "context": ([], 0, "", False),
                "authenticated": ("false", "no", "true", "", 0, 1, [0], {}),
            }.items()
            for odd in odds
        ),
    ],
)
def test_refusals_name_the_field(change, reason, field):
    with pytest.raises(InvalidInput) as caught:
        fields_of(LINE | change)
    assert (caught.value.reason, caught.value.field) == (reason, field)


@pytest.mark.parametrize("odd", ["false", "no", 1, 0, [0], [], ""])
@pytest.mark.parametrize("name", ["properties", "context", "authenticated"])
async def test_a_line_that_is_plain_but_for_one_type_is_refused(name, odd):
    plain = {name: value for name, value in LINE.items() if name not in {"properties", "context"}}
    log = Log()
    run, _ = use_case(log)
    total = await run("demo", chunks_of(orjson.dumps(plain | {name: odd}), 10_000))
    assert ([item.error.field for item in total.refused], log.events) == ([name], [])


@pytest.mark.parametrize(("given", "stored"), [(True, 3), (False, 5), (None, 5)])
async def test_only_true_claims_authentication(given, stored):
    left_out = {"properties": None, "context": None, "authenticated": given}
    log = Log()
    run, _ = use_case(log)
    await run("demo", chunks_of(orjson.dumps(LINE | left_out), 10_000))
    assert [event.evidence_class for event in log.events] == [stored]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
async def test_chunks_may_end_inside_a_line(size):
    lines = [orjson.dumps(LINE | {"message_id": f"号{i}"}) for i in range(30)]
    log = Log()
    run, tally = use_case(log)
    total = await run("demo", chunks_of(b"\n".join(lines), size))
    assert (total.accepted, total.refused) == (30, [])
    assert {event.message_id for event in log.events} == {f"号{i}" for i in range(30)}
    assert {event.source for event in log.events} == {"import"}
    assert tally.counts == {("import", ""): 30}


async def test_refused_lines_are_named_by_their_number():
    lines = [orjson.dumps(LINE | {"message_id": f"m{i}"}) for i in range(2500)]
    lines[3], lines[1700], lines[1701], lines[2000] = b"{", b"", b"  ", b'{"message_id": "\xff"}'
    run, tally = use_case(Log())
    total = await run("demo", chunks_of(b"\n".join(lines) + b"\n", 65536))
    assert [item.index for item in total.refused] == [3, 2000]
    assert (total.accepted, total.refused_count) == (2496, 2)
    assert tally.counts["import", "RECORD_INVALID"] == 2


async def test_a_line_nested_beyond_reason_is_refused_alone():
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    lines = [
        orjson.dumps(LINE | {"properties": {"x": 0}}).replace(b'{"x":0}', b'{"x":' + deep + b"}"),
        orjson.dumps(LINE),
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
    ]
    run, _ = use_case(Log())
    total = await run("demo", chunks_of(b"\n".join(lines), 10_000))
    assert [(item.index, item.error.reason) for item in total.refused] == [
        (0, "VALUE_INVALID"),
        (2, "RECORD_INVALID"),
    ]
    assert total.accepted == 1


async def test_only_the_first_refusals_are_listed_but_all_are_counted():
    run, _ = use_case(Log())
    total = await run("demo", chunks_of(b"x\n" * 3000, 65536))
    assert (total.accepted, total.refused_count, len(total.refused)) == (0, 3000, 1000)
    assert total.refused[-1].index < 3000


@pytest.mark.parametrize("filling", ["x", " "])
@pytest.mark.parametrize("size", [1 << 20, 3 << 20, 5 << 19])
async def test_a_line_that_is_too_long_is_refused_alone(size, filling):
    first, last = (orjson.dumps(LINE | {"message_id": name}) for name in ("first", "last"))
    long = (filling * size).encode() + b"}"
    log = Log()
    run, _ = use_case(log)
    total = await run("demo", chunks_of(b"\n".join([first, long, last]), 1 << 20))
    assert [(item.index, item.error.reason) for item in total.refused] == [(1, "LINE_TOO_LONG")]
    assert (total.accepted, total.refused_count) == (2, 1)
    assert [event.message_id for event in log.events] == ["first", "last"]


async def test_an_endless_line_is_refused_and_not_held():
    held = 0

    async def endless():
        nonlocal held
        tracemalloc.start()
        for _ in range(64):
            yield b"x" * (1 << 20)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    run, _ = use_case(Log())
    total = await run("demo", endless())
    assert [item.error.reason for item in total.refused] == ["LINE_TOO_LONG"]
    assert held < 10 << 20


async def test_a_line_as_long_as_may_be_is_taken():
    room = import_lines.MAX_LINE_BYTES - len(orjson.dumps(LINE | {"properties": None}))
    line = orjson.dumps(LINE | {"properties": None})[:-1] + b" " * room + b"}"
    run, _ = use_case(Log())
    total = await run("demo", chunks_of(line + b"\n" + line, 1 << 20))
    assert (total.accepted, total.refused_count) == (2, 0)


async def test_a_busy_door_is_waited_for():
    clock = ManualClock(NOW)
    clock.sleep = clock.advance
    log = Log([TooBusy("OVERLOADED", "later", retry_after_s=0.5), None])
    run, _ = use_case(log, clock)
    total = await run("demo", chunks_of(orjson.dumps(LINE), 100))
    assert total.accepted == 1


async def test_a_log_that_is_down_fails_the_import():
    run, tally = use_case(Log([DependencyDown("DEPENDENCY_DOWN", "down")]))
    with pytest.raises(DependencyDown):
        await run("demo", chunks_of(orjson.dumps(LINE), 100))
    assert tally.counts == {}


async def test_a_full_log_and_full_hands_are_told():
    log = Log()
    bounds = Backpressure(
        log, ManualClock(NOW), max_in_flight_bytes=100, max_log_entries=10, max_log_bytes=10**9
    )
    with bounds.holding(500), pytest.raises(TooBusy) as caught, bounds.holding(1):
        pass
    assert (caught.value.reason, caught.value.metadata) == (
        "OVERLOADED",
        {"limit": "in_flight_bytes"},
    )
    assert bounds.in_flight == 0
    bounds._judge(11)
    with pytest.raises(TooBusy):
        bounds.check()
    bounds._judge(2)
    bounds.check()
