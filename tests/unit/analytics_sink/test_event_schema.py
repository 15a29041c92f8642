"""The schema that the engine reads events by is a part of the contract."""

import re

from siyu.event.v1.event_pb2 import Event
from siyu_analytics.engine.protobuf import EVENT_SCHEMA, with_length


def test_every_field_has_the_number_of_the_contract():
    message = EVENT_SCHEMA.split("message Event {")[1].split("}")[0]
    fields = dict(re.findall(r"(\w+) = (\d+);", message))
    assert len(fields) == 14
    for name, number in fields.items():
        assert Event.DESCRIPTOR.fields_by_name[name].number == int(number)


def test_the_length_is_a_varint():
    assert with_length(b"a" * 300)[:2] == b"\xac\x02"
    assert with_length(b"") == b"\x00"
