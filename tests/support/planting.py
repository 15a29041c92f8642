"""Personal data planted in every field of a message, and looked for in what came out."""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

CANARIES: Final = {
    "mobile": "13987651234",
    "identity card": "11010119900307987X",
    "bank card": "6222020200112233445",
    "e-mail": "zhang.jinsique@example.cn",
    "name": "章金丝雀",
    "address": "金丝雀路88号501室",
    "name in Latin letters": "Zhang Jinsique",
}
SECRET: Final = "jinsique-secret-5e81"
"""A password, a token, a push address: never written into a field that is an id."""
_DEEP: Final = 4


def planted(message: Descriptor, text: str, project_id: str, depth: int = 0) -> Message:
    """A message with ``text`` in every field that can hold it, at every depth."""
    filled = GetMessageClass(message)()
    for item in message.fields:
        if item.name == "project_id":
            filled.project_id = project_id  # type: ignore[attr-defined]
        elif item.message_type is not None and item.message_type.GetOptions().map_entry:
            _plant_map(filled, item, text)
        elif item.message_type is not None:
            if depth < _DEEP and (item.containing_oneof is None or _is_first(item)):
                inner = planted(item.message_type, text, project_id, depth + 1)
                _put(filled, item, inner)
        else:
            _plant_scalar(filled, item, text)
    return filled


def traces_of(text: str) -> list[bytes]:
    """The forms in which a text may show up."""
    plain = text.encode()
    return list(
        dict.fromkeys(
            (
                plain,
                repr(plain)[2:-1].encode(),
                quote(text).encode(),
                ascii(text)[1:-1].encode(),
                plain.hex().encode(),
            )
        )
    )


def found_in(content: bytes, texts: Iterable[str]) -> list[str]:
    """Which of the texts are in there, in whatever form."""
    return [text for text in texts if any(form in content for form in traces_of(text))]


def _is_first(item: FieldDescriptor) -> bool:
    oneof = item.containing_oneof
    return oneof is None or oneof.fields[0].name == item.name or oneof.name.startswith("_")


def _plant_scalar(filled: Any, item: FieldDescriptor, text: str) -> None:
    if item.cpp_type == item.CPPTYPE_STRING:
        _put(filled, item, text.encode() if item.type == item.TYPE_BYTES else text)
    elif item.cpp_type == item.CPPTYPE_ENUM:
        assert item.enum_type is not None
        values = item.enum_type.values
        _put(filled, item, values[min(1, len(values) - 1)].number)
    elif item.cpp_type != item.CPPTYPE_BOOL:
        _put(filled, item, 1)


def _plant_map(filled: Any, item: FieldDescriptor, text: str) -> None:
    assert item.message_type is not None
    value = item.message_type.fields_by_name["value"]
    target = getattr(filled, item.name)
    if value.message_type is not None:
        target[text].SetInParent()
    elif value.cpp_type == value.CPPTYPE_STRING:
        target[text] = text
    else:
        target[text] = 1


def _put(filled: Any, item: FieldDescriptor, value: Any) -> None:
    if item.is_repeated:
        getattr(filled, item.name).append(value)
    elif item.message_type is not None:
        getattr(filled, item.name).CopyFrom(value)
    else:
        setattr(filled, item.name, value)
