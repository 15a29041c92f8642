"""The look for a NUL in requests."""

import pytest

from siyu.event.v1.event_pb2 import Event
from siyu.identity.v1 import identity_service_pb2 as identity_pb
from siyu.profile.v1 import profile_service_pb2 as profile_pb
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_kit.errors import InvalidInput
from siyu_kit.rpc.texts import refuse_nul, refuses_items

BAD = "a\0b"


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (Event(name=BAD), "name"),
        (Event(ids=[Identifier(type="x"), Identifier(value=BAD)]), "ids[1].value"),
        (Event(string_properties={"ok": "x", "k": BAD}), "string_properties[k]"),
        (Event(number_properties={BAD: 1}), "number_properties"),
        (identity_pb.ResolveRequest(identifier=Identifier(value=BAD)), "identifier.value"),
    ],
)
def test_the_field_is_named(message, path):
    with pytest.raises(InvalidInput, match="NUL") as refused:
        refuse_nul(message)
    assert refused.value.field == path


def test_list_values_in_maps_are_looked_at():
    event = Event()
    event.list_properties["tags"].values.extend(["a", BAD])
    with pytest.raises(InvalidInput) as refused:
        refuse_nul(event, "events[3]")
    assert refused.value.field == "events[3].list_properties[tags].values[1]"


def test_bytes_and_numbers_may_hold_zeros():
    refuse_nul(Event(number_properties={"n": 0.0}, bool_properties={"b": False}))
    refuse_nul(profile_pb.BatchGetProfilesRequest(project_id="p", person_nos=[0, 1]))


def test_items_are_left_to_methods_that_answer_item_by_item():
    request = profile_pb.RecordConsentsRequest(consents=[profile_pb.Consent(evidence=BAD)])
    refuse_nul(request, items=False)
    with pytest.raises(InvalidInput):
        refuse_nul(request)
    assert refuses_items(profile_pb.RecordConsentsResponse.DESCRIPTOR)
    assert not refuses_items(profile_pb.GetProfileResponse.DESCRIPTOR)
