"""The few bytes of protobuf that the door writes itself: frames and its own constant fields."""

from typing import Final

EVENTS_TAG: Final = 0x0A
"""Field 1, length-delimited: EventBatch.events."""
_PROJECT: Final = 1
_RECEIVED: Final = 9
_EVIDENCE: Final = 16
_SOURCE: Final = 17


def varint(value: int) -> bytes:
    """The base-128 form of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_MASK: Final = (1 << 14) - 1
_OPEN: Final = tuple(bytes((low & 0x7F | 0x80, low >> 7 | 0x80)) for low in range(1 << 14))
_SHUT: Final = tuple(varint(high) for high in range(1 << 14))
_LARGEST: Final = 1 << 42


def time_bytes(time_ms: int) -> bytes:
    """``varint`` of a time after 1970, by tables: three pieces of 14 bits (until the year 2109)."""
    if not 1 << 28 <= time_ms < _LARGEST:
        return varint(time_ms)
    return _OPEN[time_ms & _MASK] + _OPEN[time_ms >> 14 & _MASK] + _SHUT[time_ms >> 28]


def size_bytes(size: int) -> bytes:
    """``varint`` of a length."""
    return _SHUT[size] if size <= _MASK else varint(size)


_HEADS: Final = tuple(bytes((EVENTS_TAG,)) + varint(size) for size in range(4096))


def head(size: int) -> bytes:
    """What stands before an event of this many bytes in an EventBatch."""
    return _HEADS[size] if size < 4096 else bytes((EVENTS_TAG,)) + varint(size)


def door_fields(project_id: str, received_ms: int, source: str, evidence: int) -> bytes:
    """The fields of an event that the door sets, to stand behind the others."""
    fields = text_field(_PROJECT, project_id) + _number(_RECEIVED, received_ms)
    if evidence:
        fields += _number(_EVIDENCE, evidence)
    return fields + text_field(_SOURCE, source)


def text_field(number: int, text: str) -> bytes:
    """A text field."""
    data = text.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)
