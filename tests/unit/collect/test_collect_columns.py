import math
import random

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu.collect.v1.collect_service_pb2 import IngestRequest
from siyu.event.v1.event_pb2 import Event, EventBatch
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.column_sifting import ColumnSifter
from siyu_collect.domain.columns.numbers import shortened
from siyu_collect.domain.columns.reading import ColumnReader
from siyu_collect.domain.columns.texts import is_utf8
from siyu_collect.domain.sifting import Sifter
from siyu_collect.rpc.requests import ColumnRequest, read_odd, request_reader
from support.collect_wire import EXTRAS, ODDITIES, field, fields_of, request

NOW = 1_790_000_000_000
PARTITIONS = 3
ORIGIN = Origin("demo", "grpc", NOW)
INVALID = "not a message"


def plain(i, **fields):
    usual = {
        "message_id": f"m{i}",
        "ids": [
            {"type": "customer_no", "value": f"C{i % 7:04d}"},
            {"type": "device_id", "value": f"d-{i}"},
        ][: 1 + i % 2],
        "kind": 1,
        "name": ("deposit", "首次入金", "news_view_of_a_long_name")[i % 3],
        "event_time_ms": NOW - i,
        "client_time_ms": 0 if i % 4 else NOW - i - 1,
        "string_properties": {"channel": "app", "title_of_page": "央行" * (i % 40), "page": "x"},
        "number_properties": {"amount": i / 100, "ratio": i / 7},
        "bool_properties": {"is_vip": bool(i % 2)},
        "context": {"lib": "ios", "user_agent": "Mozilla " * (i % 20)},
    }
    return Event(**(usual | fields))


def raw_of(i, **fields):
    return b"".join(fields_of(plain(i, **fields)))


def by_message(raw, origin=ORIGIN):
    try:
        message = IngestRequest.FromString(raw)
    except DecodeError:
        return INVALID
    message.DiscardUnknownFields()
    return summary(Sifter(PARTITIONS).sift(message.events, origin))


class Door:
    """Reads and sifts as columns, and counts what went that way."""

    def __init__(self):
        self.reader = ColumnReader()
        self.sifter = ColumnSifter(PARTITIONS)
        self.plain = self.odd = 0

    def __call__(self, raw, origin=ORIGIN):
        columns = self.reader.read(raw)
        if columns is None:
            return None
        try:
            odd = read_odd(IngestRequest, columns)
        except DecodeError:
            return INVALID
        self.odd += len(odd)
        self.plain += len(columns.plain) - len(odd)
        return summary(self.sifter.sift(columns, odd, origin, Event.FromString))


def summary(sifted):
    parcels = []
    for parcel in sifted.parcels:
        payload = b"".join(parcel.pieces)
        batch = EventBatch.FromString(payload)
        # Nothing stands twice, nothing is unknown, nothing is longer than it has to be.
        assert batch.ByteSize() == len(payload)
        assert len(batch.events) == parcel.count
        events = [event.SerializeToString(deterministic=True) for event in batch.events]
        parcels.append((events, parcel.kinds))
    refused = [(item.index, item.error.reason, item.error.field) for item in sifted.refused]
    return parcels, refused


def check(door, raw, origin=ORIGIN):
    """Both ways give the same; twice, as the second time more is known."""
    expected = by_message(raw, origin)
    for _ in range(2):
        found = door(raw, origin)
        assert found is None or found == expected
    return found is not None


def odd_request(dice, *, events, odd, flips=0):
    """Plain events with some odd ones among them, and at last some bytes changed anywhere."""
    raws = [raw_of(i) for i in range(events)]
    for at in dice.sample(range(events), odd):
        fields = fields_of(plain(at))
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            if fields:
                dice.choice(ODDITIES)(fields, dice)
        raws[at] = b"".join(fields)
    raw = bytearray(request(raws))
    for _ in range(flips):
        raw[dice.randrange(len(raw))] = dice.choice((0, 0x12, 0x80, 0xFF, dice.randrange(256)))
    return bytes(raw)


def fuzz(seed, rounds):
    dice, door, taken = random.Random(seed), Door(), 0
    for _ in range(rounds):
        events = dice.randrange(1, 9)
        odd = dice.randrange(0, events // 2 + 1)
        flips = dice.choice((0, 0, 0, 1, 2))
        taken += check(door, odd_request(dice, events=events, odd=odd, flips=flips))
    assert taken > rounds / 2
    assert door.plain > rounds
    assert door.odd > rounds / 4


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32))
def test_both_ways_agree_on_odd_requests(seed):
    fuzz(seed, 60)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_both_ways_agree_on_very_many_odd_requests():
    for seed in range(20):
        fuzz(seed, 2_000)


def test_plain_events_stay_bytes():
    door = Door()
    assert check(door, request([raw_of(i) for i in range(50)]))
    assert (door.plain, door.odd) == (100, 0)


def test_both_ways_agree_on_every_odd_field():
    door = Door()
    for extra in EXTRAS:
        raws = [raw_of(i) for i in range(3)]
        fields = fields_of(plain(3))
        place = sum(item[0] <= extra[0] for item in fields)
        for other in ([*fields[:place], extra, *fields[place:]], [*fields, extra], [extra]):
            check(door, request([*raws, b"".join(other)]))


def test_both_ways_agree_on_a_request_that_ends_anywhere():
    door = Door()
    raw = request([raw_of(i) for i in range(3)])
    for size in range(len(raw)):
        check(door, raw[:size])


def test_both_ways_agree_on_the_edges_of_the_window():
    door = Door()
    ten_days = 864_000_000
    for origin in (ORIGIN, Origin("demo", "grpc", NOW, history=True)):
        for time in (NOW, NOW + 1, NOW + 10_800_001, NOW - ten_days, NOW - ten_days - 1, 2**35):
            raw = request([raw_of(0), raw_of(1, event_time_ms=time), raw_of(2)])
            assert check(door, raw, origin)


def test_both_ways_agree_on_events_of_every_length():
    door = Door()
    raws = [raw_of(i, context={"page_url": "x" * (31 * i)}) for i in range(60)]
    short = [
        Event(message_id="m", ids=[{"type": "openid", "value": f"ow{i}"}], kind=1, name="a")
        for i in range(9)
    ]
    for i, event in enumerate(short):
        event.event_time_ms = NOW
        event.message_id = "m" * (6 * i + 1)
    assert check(door, request(raws + [b"".join(fields_of(event)) for event in short]))
    assert door.plain == 2 * (len(raws) + len(short))
    long = raw_of(0, string_properties={"page": "x" * 20_000})
    assert check(door, request([*raws, long]))


def test_both_ways_agree_on_events_of_very_different_numbers_of_properties():
    door = Door()
    many = {f"p{i}": "x" for i in range(301)}
    some = dict(list(many.items())[:60])
    full = dict(list(many.items())[:298])
    few = [raw_of(i) for i in range(40)]
    for odd in (many, full):
        raws = [*few, raw_of(50, string_properties=odd)]
        assert check(door, request(raws))
    alike = [raw_of(i, string_properties=some) for i in range(40)]
    assert check(door, request(few + alike))
    assert door.odd == 4  # the many, and the full one that was not worth its own steps


def test_new_words_are_learnt_and_a_flood_of_them_is_harmless():
    door = Door()
    for flood in range(12):
        keys = [f"key_number_{flood * 200 + i}_of_a_flood" for i in range(150)]
        raws = [raw_of(i, bool_properties={key: True}) for i, key in enumerate(keys)]
        check(door, request(raws))
    assert door.plain > 12 * 2 * 110


@settings(max_examples=100)
@given(st.lists(st.floats(-9e14, 9e14), min_size=1, max_size=50))
def test_numbers_are_shortened_as_round_does(values):
    given_values = np.array(values)
    positions, kept = shortened(np.arange(len(values)), given_values)
    given_values[positions] = kept
    assert given_values.tolist() == [round(value, 4) for value in values]


@settings(max_examples=100)
@given(st.integers(-(10**15), 10**15), st.integers(-3, 3))
def test_a_number_of_four_decimals_is_kept_and_its_neighbours_are_not(number, steps):
    value = number / 10_000
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.copysign(math.inf, steps))
    _, kept = shortened(np.arange(1), np.array([value]))
    assert (kept.tolist() or [value]) == [round(value, 4)]


@given(
    st.lists(
        st.sampled_from([b"a" * 7, b"\xe5", b"\xa4", b"\xae", b"\xf0\x9f\x98\x80", b"\xc0", b"z"])
    )
)
def test_text_is_judged_as_decoding_does(parts):
    data = b"".join(parts)
    padded = np.frombuffer(data + bytes(8 - len(data) % 8), np.uint8)
    try:
        data.decode()
    except UnicodeDecodeError:
        assert not is_utf8(padded)
    else:
        assert is_utf8(padded)


def test_small_requests_and_unusual_ones_are_read_as_messages():
    read = request_reader(IngestRequest, ColumnReader().read)
    large = request([raw_of(i) for i in range(200)])
    assert isinstance(read(request([raw_of(1)])), IngestRequest)
    assert isinstance(read(large), ColumnRequest)
    assert isinstance(read(large + field(1, "demo")), IngestRequest)
    assert read(large).project_id == "demo"
    with pytest.raises(DecodeError):
        read(large + b"\x12")
    with pytest.raises(DecodeError):
        read(large.replace("央".encode(), b"\xff\xff\xff", 1))
    with pytest.raises(DecodeError):
        read(large + field(2, field(2, b"\xff")))
