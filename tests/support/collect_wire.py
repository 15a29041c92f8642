"""Events as a client may put them on the wire: whole, or with something odd in some field."""

import random
import struct
from collections.abc import Callable, Sequence

from siyu.event.v1.event_pb2 import Event

Fields = list[bytes]
"""The fields of an event, each with its tag."""


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value & (1 << 64) - 1)


def fields_of(event: Event) -> Fields:
    """The fields in the order of the contract."""
    raw = event.SerializeToString()
    found, position = [], 0
    while position < len(raw):
        start = position
        tag, position = _read(raw, position)
        value, position = _read(raw, position)
        position += value if tag & 7 == 2 else 0
        found.append(raw[start:position])
    return sorted(found, key=lambda item: _read(item, 0)[0] >> 3)


def request(events: Sequence[bytes], project: str = "demo") -> bytes:
    return field(1, project) + b"".join(field(2, event) for event in events)


def _read(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


# --- what may be odd -------------------------------------------------------------------


def _swapped(fields: Fields, dice: random.Random) -> None:
    one, other = dice.randrange(len(fields)), dice.randrange(len(fields))
    fields[one], fields[other] = fields[other], fields[one]


def _doubled(fields: Fields, dice: random.Random) -> None:
    at = dice.randrange(len(fields))
    fields.insert(at, fields[at])


def _missing(fields: Fields, dice: random.Random) -> None:
    del fields[dice.randrange(len(fields))]


def _flipped(fields: Fields, dice: random.Random) -> None:
    at = dice.randrange(len(fields))
    data = bytearray(fields[at])
    if not data:  # cut before
        return
    data[dice.randrange(len(data))] = dice.choice((0, 1, 2, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    fields[at] = bytes(data)


def _cut(fields: Fields, dice: random.Random) -> None:
    at = dice.randrange(len(fields))
    fields[at] = fields[at][: dice.randrange(max(1, len(fields[at])))]


def _extra(fields: Fields, dice: random.Random) -> None:
    fields.insert(dice.randrange(len(fields) + 1), dice.choice(EXTRAS))


ODDITIES: Sequence[Callable[[Fields, random.Random], None]] = (
    _swapped, _doubled, _missing, _flipped, _cut, _extra, _extra, _extra,
)  # fmt: skip

_KEY = field(1, "channel")
_DOUBLE = b"\x11" + struct.pack("<d", 2.5)


def _number(key: str, value: float) -> bytes:
    return field(11, field(1, key) + b"\x11" + struct.pack("<d", value))


EXTRAS: Fields = [
    # Fields that nobody knows, and fields of the door or of other kinds of events.
    field(99, "x"), number_field(99, 1), varint(99 << 3 | 1) + bytes(8),
    varint(99 << 3 | 5) + bytes(4), varint(99 << 3 | 3) + varint(99 << 3 | 4),
    varint(99 << 3 | 4), varint(99 << 3 | 3), b"\x0e", b"\x00", b"\x02\x00", b"\x87\x00",
    field(1, "other"), field(17, "me"), number_field(9, 5), number_field(16, 5),
    number_field(16, 1), number_field(7, 0), number_field(8, 0), number_field(8, 2**63),
    number_field(7, 2**63), number_field(7, 2**42), number_field(7, 10_413_792_000_000),
    number_field(8, 10_413_792_000_000),
    number_field(7, 1_789_999_999_000), number_field(8, 1_789_999_999_500),
    number_field(6, 2**70), b"\x30" + b"\xff" * 10 + b"\x01", b"\x30" + b"\x80" * 5 + b"\x00",
    b"\x20\x81\x00", b"\x20\x81\x80\x80\x80\x10", number_field(4, 3), b"\x22\x00",
    field(13, _KEY + b"\x10\x05"), field(14, _KEY + field(2, field(1, "a"))),
    # Identifiers.
    field(3, field(1, "mobile") + field(2, "13900139001")), field(3, ""),
    field(3, field(2, "C7") + field(1, "customer_no")), field(3, field(1, "passport")),
    field(3, field(1, "openid") + field(2, b"o\x80")), field(3, field(1, "openid") + field(2, "o")),
    field(3, field(1, "openid") + field(2, "o-" + "x" * 200)),
    b"\x1a\x85\x00" + field(1, "abc"), field(2, ""), field(2, "m" * 101), field(2, "号"),
    # Entries of maps.
    field(10, ""), field(10, _KEY), field(10, field(2, "x")), field(10, field(2, "x") + _KEY),
    field(10, _KEY + _KEY + field(2, "x")), field(10, _KEY + field(2, "x") + field(3, "y")),
    field(10, field(1, "钱") + field(2, "x")), field(10, field(1, "") + field(2, "x")),
    field(10, field(1, b"\xff") + field(2, "x")),
    field(10, field(1, "k1") + field(2, b"\xed\xa0\x80")),
    field(10, field(1, "k2") + field(2, b"\xe5\xa4")), field(10, field(1, "k3") + field(2, "")),
    field(10, field(1, "k4") + b"\x12\x81\x00x"), field(10, b"\x0a\x82\x00k5" + field(2, "x")),
    field(10, field(1, "k" * 100) + field(2, "好" * 60)),
    field(10, field(1, "k" * 128) + field(2, "")), field(10, field(1, "k6") + field(2, "x" * 126)),
    field(10, field(1, "k7") + field(2, "x" * 130)),
    field(10, field(1, "k8") + field(2, "x" * 8192)),
    field(10, field(1, "a\0b") + field(2, "x")), field(10, field(1, "k9") + field(2, "a\0b")),
    field(10, field(1, "amount") + field(2, "x")), field(11, _KEY + _DOUBLE),
    _number("n1", 0.123456), _number("n2", float("nan")), _number("n3", 9.1e14),
    _number("n4", -0.00001), _number("n5", 2.0**39 + 0.1), _number("n6", float("-inf")),
    field(11, field(1, "n7") + b"\x10\x05"), field(11, _DOUBLE), field(11, field(1, "n8")),
    field(12, field(1, "b1") + b"\x10\x02"), field(12, field(1, "b2") + b"\x10\x81\x00"),
    field(12, field(1, "b3") + b"\x10\x00"), field(12, field(1, "b4")),
    field(15, field(1, "lib") + field(2, "x")), field(15, field(1, "ip") + field(2, "x")),
    field(15, field(1, "page_url") + field(2, "h" * 300)),
    field(15, field(1, "referrer") + field(2, b"\xc0\x80")),
]  # fmt: skip
"""Fields that are odd beside those of a plain event, or would be odd elsewhere."""
