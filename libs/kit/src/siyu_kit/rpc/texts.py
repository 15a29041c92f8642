"""No text of a request holds a NUL: PostgreSQL cannot keep one, and nobody means one."""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from siyu_kit.errors import InvalidInput

_NUL: Final = "\0"
_ITEM_RESULT: Final = "siyu.type.v1.ItemResult"
_MESSAGE: Final = FieldDescriptor.TYPE_MESSAGE
_STRING: Final = FieldDescriptor.TYPE_STRING


def refuses_items(response: Descriptor) -> bool:
    """Whether a method's answer says of each item by itself what is wrong with it."""
    return any(
        field.message_type is not None and field.message_type.full_name == _ITEM_RESULT
        for field in response.fields
    )


def refuse_nul(message: Message, at: str = "", *, items: bool = True) -> None:
    """Raises InvalidInput (FIELD_INVALID) with the path of the first text that holds a NUL.

    ``at`` is the path of the message itself. Without ``items``, lists of messages right in it are
    left to the servicer, which refuses them one by one.
    """
    for field, value in message.ListFields():
        path = f"{at}.{field.name}" if at else field.name
        if field.type == _STRING:
            for place, text in _each(field, value, path):
                if _NUL in text:
                    raise InvalidInput("FIELD_INVALID", "a text may not hold a NUL", field=place)
        elif field.type == _MESSAGE and (items or not field.is_repeated):
            for place, part in _parts(field, value, path):
                refuse_nul(part, place)


def _each(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not field.is_repeated:
        yield path, value
        return
    for index, one in enumerate(value):
        yield f"{path}[{index}]", one


def _parts(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, Message]]:
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        yield from _each(field, value, path)
        return
    # A map yields its keys; an entry made again of key and value is looked at like any message.
    for key in value:
        if isinstance(key, str) and _NUL in key:
            raise InvalidInput("FIELD_INVALID", "a text may not hold a NUL", field=path)
        held = value[key]
        if isinstance(held, Message):
            yield f"{path}[{key}]", held
        elif isinstance(held, str) and _NUL in held:
            raise InvalidInput("FIELD_INVALID", "a text may not hold a NUL", field=f"{path}[{key}]")
