"""Security is declared in the contract: nothing is reachable or readable without a rule."""

import keyword

import pytest
from google.protobuf.descriptor import FieldDescriptor

from siyu.type.v1 import security_pb2
from support import contracts

METHODS = list(contracts.methods())
TEXT_FIELDS = [
    field
    for message in contracts.messages()
    for field in message.fields
    if contracts.holds_text(field)
]


def test_the_contracts_are_seen():
    assert {method.containing_service.full_name.split(".")[1] for method in METHODS} >= {
        "collect", "identity", "analytics", "profile", "segment", "touch",
    }  # fmt: skip
    assert len(TEXT_FIELDS) > 100


def test_every_method_names_its_permission():
    open_doors = [
        method.full_name
        for method in METHODS
        if not method.GetOptions().Extensions[security_pb2.access].permission
    ]
    assert open_doors == []


def test_every_text_field_has_a_data_class():
    unlabelled = [
        field.full_name
        for field in TEXT_FIELDS
        if _data_class(field) == security_pb2.DATA_CLASS_UNSPECIFIED
    ]
    assert unlabelled == []


def test_secrets_stay_out():
    secrets = [f.full_name for f in TEXT_FIELDS if _data_class(f) == security_pb2.DATA_CLASS_C3]
    assert secrets == []


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_request_names_its_project_first(method):
    first = method.input_type.fields_by_number[1]
    assert (first.name, first.type, first.is_repeated) == (
        "project_id",
        FieldDescriptor.TYPE_STRING,
        False,
    )
    assert method.input_type.fields[0] is first


def test_every_method_has_messages_of_its_own():
    shared = [
        method.full_name
        for method in METHODS
        if (method.input_type.name, method.output_type.name)
        != (f"{method.name}Request", f"{method.name}Response")
    ]
    assert shared == []


def test_callers_in_python_can_name_every_field():
    """The options' own ``class`` aside: it is written in contracts alone."""
    unspeakable = [
        field.full_name
        for message in contracts.messages()
        if message.full_name != "siyu.type.v1.Data"
        for field in message.fields
        if keyword.iskeyword(field.name)
    ]
    assert unspeakable == []


def _data_class(field: FieldDescriptor) -> int:
    return getattr(field.GetOptions().Extensions[security_pb2.data], "class")
