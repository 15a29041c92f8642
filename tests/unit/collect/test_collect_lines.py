import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu.event.v1.event_pb2 import EventBatch
from siyu_collect.app.event_message import event_of
from siyu_collect.app.take_events import read_line
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.json_line import fields_of
from siyu_collect.domain.sifting import Sifter
from siyu_collect.domain.wire import time_bytes, varint
from siyu_kit.errors import InvalidInput
from siyu_kit.identifiers import RANKS
from siyu_kit.stream.partition import partition_of
from support.collect_oracle import judged

NOW = 1_790_000_000_000
PARTITIONS = 3

odd = st.sampled_from([None, 5, 1.5, True, "", "x" * 9000, [], ["a", 1], {}, {"$time": NOW}, "a\0"])
ids = st.dictionaries(
    st.sampled_from([*sorted(RANKS), "passport"]),
    st.one_of(
        st.sampled_from(["C1", "C2", "d-1", "+8613900139001", "13900139001", "null", "号码"]), odd
    ),
    max_size=3,
)
properties = st.dictionaries(
    st.sampled_from(["channel", "amount", "$os", "page.url", "1a", "钱"]),
    st.one_of(st.text(max_size=5), st.integers(), st.floats(allow_nan=False), st.booleans(), odd),
    max_size=4,
)
context = st.dictionaries(
    st.sampled_from(["lib", "platform", "ip"]), st.text(max_size=3), max_size=2
)
lines = st.fixed_dictionaries(
    {
        "message_id": st.one_of(st.sampled_from(["m1", "m-2", "号", "m" * 101]), odd),
        "type": st.one_of(st.just("track"), st.just("track"), st.sampled_from(["bind", "x"]), odd),
        "ids": st.one_of(ids, ids, odd),
        "time": st.one_of(st.integers(1, NOW), st.sampled_from([0, -1, NOW + 1, 2**70, 1.5, "x"])),
    },
    optional={
        "event": st.one_of(st.sampled_from(["deposit", "首次入金", " x"]), odd),
        "properties": st.one_of(properties, properties, odd),
        "context": st.one_of(context, odd),
        "authenticated": st.one_of(st.booleans(), odd),
        "extra": st.just(1),
    },
)


def expected_of(line):
    try:
        event = event_of(fields_of(line))
    except InvalidInput:
        return None
    stored = judged(event, "demo", NOW, history=True)
    if stored is not None:
        stored.source = "import"
    return stored


@settings(max_examples=500)
@given(st.lists(lines, max_size=4))
def test_lines_are_judged_as_the_plain_rules_say(batch):
    batch = [orjson.loads(orjson.dumps(line)) for line in batch if _is_json(line)]
    sifter = Sifter(PARTITIONS)
    origin = Origin("demo", "import", NOW, history=True)
    expected = [expected_of(line) for line in batch]
    for _ in range(2):
        sifted = sifter.sift_lines(batch, origin, read_line)
        assert [r.index for r in sifted.refused] == [
            index for index, event in enumerate(expected) if event is None
        ]
        for partition, parcel in enumerate(sifted.parcels):
            found = EventBatch.FromString(b"".join(parcel.pieces)).events
            wanted = [
                event
                for event in expected
                if event is not None
                and partition_of(event.ids[0].type, event.ids[0].value, PARTITIONS) == partition
            ]
            assert sorted(map(repr, found)) == sorted(map(repr, wanted))
            assert parcel.count == len(wanted)


def _is_json(line):
    try:
        orjson.dumps(line)
    except TypeError:
        return False
    return True


@given(st.integers(1, 2**45))
def test_times_by_table_are_varints(time_ms):
    assert time_bytes(time_ms) == varint(time_ms)


def test_anything_may_stand_on_a_line():
    found = Sifter(1).sift_lines(
        [5, None, "x", [], {}, True], Origin("demo", "import", NOW, history=True), read_line
    )
    assert [item.error.reason for item in found.refused] == ["RECORD_INVALID"] * 4 + [
        "KIND_INVALID",
        "RECORD_INVALID",
    ]
