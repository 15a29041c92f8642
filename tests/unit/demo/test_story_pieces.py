"""Small pieces of the story: the altered event, events as messages, the receiver's faults."""

from collections import Counter

from siyu.event.v1 import event_pb2 as event
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED
from siyu_demo.records import Record, Via, import_chunks
from siyu_demo.simulator import Quarter, Settings
from siyu_demo.story.arrival.events import event_of
from siyu_demo.story.arrival.tampering import altered
from siyu_demo.story.push_receiver import CUT, REFUSED, TAKEN, answer_to


def test_exactly_one_event_is_altered() -> None:
    records = list(Quarter(Settings(customers=60)).history())
    sent = list(altered(records))
    assert len(sent) == len(records)
    changed = [(was, now) for was, now in zip(records, sent, strict=True) if was != now]
    ((was, now),) = changed
    assert was.properties["step"] == "account_opened"
    assert now.properties["step"] == "id_card_upload"
    assert was.message_id == now.message_id


def test_history_chunks_stay_below_the_door_s_limit() -> None:
    chunks = import_chunks(Quarter(Settings(customers=60)).history(), 2_500)
    assert max(map(len, chunks)) < 1 << 20


def test_a_record_keeps_its_types() -> None:
    properties = {"amount": 12.5, "is_first": True, "symbol": "600000.SH", "tags": ["a", "b"]}
    record = Record(
        "m-1", "track", {"customer_no": "C1"}, "login", 1_000, properties, True, Via.GRPC
    )
    message = event_of(record)
    assert message.kind == event.EVENT_KIND_TRACK
    assert [(item.type, item.value) for item in message.ids] == [("customer_no", "C1")]
    assert dict(message.number_properties) == {"amount": 12.5}
    assert dict(message.bool_properties) == {"is_first": True}
    assert dict(message.string_properties) == {"symbol": "600000.SH"}
    assert list(message.list_properties["tags"].values) == ["a", "b"]
    assert message.evidence_class == EVIDENCE_CLASS_AUTHENTICATED
    assert message.event_time_ms == 1_000


def test_every_type_of_record_has_a_kind() -> None:
    quarter = Quarter(Settings(customers=600))
    assert all(event_of(record).kind for record in quarter.live())


def test_the_receiver_is_seldom_unwell_but_soon() -> None:
    answers = Counter(map(answer_to, range(1, 601)))
    assert set(map(answer_to, range(1, 11))) == {TAKEN, REFUSED, CUT}
    assert answers[TAKEN] > 570
    assert 0 < answers[CUT] < 15
    assert 0 < answers[REFUSED] < 15
