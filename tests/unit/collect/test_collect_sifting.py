import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu.event.v1.event_pb2 import Event, EventBatch
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.identifiers import bucket_of, recognised
from siyu_collect.domain.sifting import Sifter
from siyu_kit.errors import InvalidInput
from siyu_kit.identifiers import RANKS
from siyu_kit.stream.partition import partition_of
from support.collect_oracle import MAPS, judged

NOW = 1_790_000_000_000
HOUR = 3_600_000
PARTITIONS = 3

plain_values = st.text("abcABC019", min_size=2, max_size=12)
odd_values = st.sampled_from(
    ["", " ", "null", "NULL", "0000", "x" * 300, "13800138000", "139-0013-9001", "+8613900139001",
     "A@Example.com", "not-an-email", "1390013900", "AB:CD", "\x00x", " padded "]
)  # fmt: skip
identifiers = st.tuples(
    st.one_of(st.sampled_from(sorted(RANKS)), st.sampled_from(["", "passport"])),
    st.one_of(plain_values, odd_values),
)
good_keys = st.sampled_from(
    ["channel", "amount", "page.url", "$lib_version", "_x", "k" * 100, "rating.stars"]
)
bad_keys = st.sampled_from(["", "1a", "钱", "a b", "k" * 101])
keys = st.one_of(good_keys, good_keys, good_keys, bad_keys)
texts = st.one_of(
    st.text(max_size=8), st.sampled_from(["x" * 8191, "x" * 8192, "好" * 2731, "a\0b"])
)
numbers = st.one_of(
    st.integers(-(10**6), 10**6).map(float),
    st.floats(),
    st.sampled_from([9e14, 9.1e14, 0.00005, 12.345678, -0.0, float("nan"), float("inf")]),
)
moments = st.one_of(
    st.integers(NOW - 9 * 24 * HOUR, NOW),
    st.sampled_from(
        [0, -1, 1, NOW + 1, NOW + 3 * HOUR, NOW + 3 * HOUR + 1, NOW - 240 * HOUR,
         NOW - 240 * HOUR - 1, 2**62]
    ),
)  # fmt: skip


@st.composite
def events(draw):
    """Mostly right events with something odd here and there."""
    event = Event(
        message_id=draw(
            st.one_of(plain_values, st.sampled_from(["", "m" * 101, "号" * 34, "a\n"]))
        ),
        kind=draw(st.one_of(st.just(1), st.integers(0, 9))),
        event_time_ms=draw(moments),
        client_time_ms=draw(st.one_of(st.just(0), moments)),
        sent_time_ms=draw(st.one_of(st.just(0), moments)),
        evidence_class=draw(st.one_of(st.just(0), st.integers(0, 6))),
        project_id=draw(st.sampled_from(["", "old"])),
        source=draw(st.sampled_from(["", "x"])),
    )
    if event.kind == 1 or draw(st.booleans()):
        event.name = draw(
            st.sampled_from(["deposit", "首次入金", "deposit", "", " x", "n" * 101, "a\tb"])
        )
    some = draw(st.lists(identifiers, max_size=3))
    for kind, value in [*some, *draw(st.sampled_from([[], [("customer_no", "C1")]]))]:
        event.ids.add(type=kind, value=value)
    small = {"max_size": 2}
    event.string_properties.update(draw(st.dictionaries(keys, texts, **small)))
    event.number_properties.update(draw(st.dictionaries(keys, numbers, **small)))
    event.bool_properties.update(draw(st.dictionaries(keys, st.booleans(), **small)))
    times = st.sampled_from([0, NOW, 2**60])
    event.time_properties.update(draw(st.dictionaries(good_keys, times, max_size=1)))
    lists = st.lists(st.sampled_from(["a", "b", "x" * 256]), max_size=3)
    for key, items in draw(st.dictionaries(good_keys, lists, max_size=1)).items():
        event.list_properties[key].values.extend(items)
    context = st.sampled_from(["lib", "platform", "page_url", "ip"])
    event.context.update(draw(st.dictionaries(context, texts, max_size=1)))
    return event


def plain(i, **fields):
    return Event(
        message_id=f"m{i}",
        ids=[
            {"type": "customer_no", "value": f"C{i:04d}"},
            {"type": "device_id", "value": f"d-{i}"},
        ],
        kind=1,
        name="deposit",
        event_time_ms=NOW - i,
        string_properties={"channel": "app"},
        number_properties={"amount": 12.5},
        **fields,
    )


def stored_of(sifted):
    batches = [EventBatch.FromString(b"".join(parcel.pieces)) for parcel in sifted.parcels]
    return batches, {event.message_id: event for batch in batches for event in batch.events}


def check(batch, *, history=False):
    origin = Origin("demo", "grpc", NOW, history=history)
    expected = [judged(event, "demo", NOW, history=history) for event in batch]
    sifter = Sifter(PARTITIONS)
    for _ in range(2):  # the second time names, keys and identifiers are known
        copies = [Event.FromString(event.SerializeToString()) for event in batch]
        sifted = sifter.sift(copies, origin)
        refused = [i for i, event in enumerate(expected) if event is None]
        assert [item.index for item in sifted.refused] == refused
        assert all(item.error.reason and item.error.field for item in sifted.refused)
        batches, _ = stored_of(sifted)
        placed = [[] for _ in range(PARTITIONS)]
        for event in expected:
            if event is not None:
                subject = event.ids[0]
                placed[partition_of(subject.type, subject.value, PARTITIONS)].append(event)
        assert [sorted(map(repr, batch.events)) for batch in batches] == [
            sorted(map(repr, part)) for part in placed
        ]
        for parcel, part in zip(sifted.parcels, placed, strict=True):
            assert parcel.count == len(part)
            assert parcel.kinds == mask_of(part)


def mask_of(part):
    mask = 0
    for event in part:
        mask |= 1 if event.kind == 1 else 2 if event.kind >= 4 else 4
        mask |= 4 if len(event.ids) > 1 else 0
    return mask


@settings(max_examples=300)
@given(st.lists(events(), max_size=6), st.booleans())
def test_batches_are_judged_as_the_plain_rules_say(batch, history):
    check(batch, history=history)


@settings(max_examples=100)
@given(st.lists(events(), max_size=2), st.integers(0, 20))
def test_one_odd_event_does_not_change_the_others(odd, count):
    for event in odd:
        event.message_id = event.message_id + "odd"
    check([plain(i) for i in range(count)] + odd + [plain(i + 50) for i in range(count)])


def test_a_number_is_kept_with_four_decimals():
    event = plain(1)
    event.number_properties["amount"] = 0.123456
    check([plain(0), event, plain(2)])


@settings(max_examples=40)
@given(st.sets(st.text("abcdefgh", min_size=1, max_size=6), min_size=3, max_size=40))
def test_every_number_is_looked_at_while_others_are_shortened(names):
    first, *others = sorted(names)
    event = plain(1)
    event.number_properties.update(dict.fromkeys(others, 1 / 7))
    check([event])
    event.number_properties[first] = float("nan")
    check([event])


def test_a_junk_identifier_is_dropped_while_another_remains():
    event = plain(1)
    event.ids[1].value = "00000000"
    sifted = Sifter(1).sift([event], Origin("demo", "grpc", NOW))
    _, stored = stored_of(sifted)
    assert [item.value for item in stored["m1"].ids] == ["C0001"]
    assert sifted.parcels[0].kinds == 1


def test_a_refusal_names_the_place():
    event = plain(1)
    event.ids.add(type="passport", value="E1")
    refused = Sifter(1).sift([plain(0), event], Origin("demo", "grpc", NOW)).refused
    assert [(item.index, item.error.field) for item in refused] == [(1, "ids[2].type")]


def test_what_was_refused_before_keeps_its_place():
    error = InvalidInput("RECORD_INVALID", "no", field="record")
    sifted = Sifter(1).sift([plain(0), error, plain(2)], Origin("demo", "grpc", NOW))
    assert [(item.index, item.error) for item in sifted.refused] == [(1, error)]
    assert sifted.accepted == 2


def test_an_event_over_the_number_of_properties_is_refused_alone():
    event = plain(1)
    for i in range(300):
        event.bool_properties[f"b{i}"] = True
    check([plain(0), event])
    del event.bool_properties["b0"], event.bool_properties["b1"]
    check([plain(0), event])


def test_the_bucket_is_the_one_of_the_kit():
    known = recognised("mobile", "13900139001")
    assert bucket_of(known) % 7 == partition_of("mobile", "+8613900139001", 7)


def test_the_maps_of_the_oracle_are_all_of_the_contract():
    fields = {name for name in Event.DESCRIPTOR.fields_by_name if name.endswith("_properties")}
    assert fields == {f"{name}_properties" for name in MAPS}


@pytest.mark.parametrize("name", ["client_time_ms", "sent_time_ms"])
@pytest.mark.parametrize("absurd", [-(2**63), 2**63 - 1, 10_413_792_000_000])
def test_a_clock_that_no_client_has_is_refused(name, absurd):
    sifted = Sifter(PARTITIONS).sift(
        [plain(1), plain(2, **{name: absurd}), plain(3, **{name: 1})],
        Origin("demo", "grpc", NOW),
    )
    assert [(r.index, r.error.reason, r.error.field) for r in sifted.refused] == [
        (1, "VALUE_INVALID", name)
    ]
    assert sifted.accepted == 2


def test_traits_of_the_platforms_own_are_refused_at_the_door():
    for key in ("consent.push.marketing", "rating.risk"):
        for kind, refused in ((1, False), (4, True), (5, True), (8, True)):
            event = Event(message_id="m", kind=kind, event_time_ms=NOW, name="n" * (kind == 1))
            event.ids.add(type="customer_no", value="c1")
            event.string_properties[key] = "x"
            sifted = Sifter(PARTITIONS).sift([event], Origin("p", "grpc", NOW))
            found = [(one.error.reason, one.error.field) for one in sifted.refused]
            assert found == [("KEY_INVALID", f"properties[{key}]")] * refused
