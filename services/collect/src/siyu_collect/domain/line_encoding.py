"""A plain line of an import as the bytes of its event, without a message in between.

History comes by the million: most lines are track events whose names, keys and identifiers were
seen before. Those are put together from bytes at hand; every other line goes the general way
(``json_line``, ``admission``), which alone says what is right.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Any, Final, TypeVar

from siyu_collect.domain import texts, wire
from siyu_collect.domain.identifiers import KnownIdentifiers
from siyu_collect.domain.json_line import FIELDS, is_authenticated
from siyu_collect.domain.limits import (
    CONTEXT_KEYS,
    DECIMALS,
    MAX_IDS,
    MAX_MESSAGE_ID_BYTES,
    MAX_NUMBER,
    MAX_PROPERTIES,
    MAX_TEXT_BYTES,
)
from siyu_collect.domain.vocabulary import AUTHENTICATED, OBSERVED
from siyu_kit.errors import InvalidInput

REMEMBERED: Final = 20_000

# Tags of the event's fields: number << 3 | wire type.
_MESSAGE_ID: Final = b"\x12"
_ID: Final = 3
_KIND_TRACK: Final = b"\x20\x01"
_NAME: Final = 5
_EVENT_TIME: Final = b"\x30"
_CLIENT_TIME: Final = b"\x38"
_STRING: Final = b"\x52"
_NUMBER: Final = b"\x5a"
_BOOL: Final = b"\x62"
_CONTEXT: Final = b"\x7a"
# Values inside a map's entry (field 2).
_TEXT_VALUE: Final = b"\x12"
_TRUE: Final = b"\x10\x01"
_FALSE: Final = b"\x10\x00"
_double: Final = Struct("<cd").pack

K = TypeVar("K")
V = TypeVar("V")

Encoded = tuple[int, int, int, bytes]
"""Bucket, number of identifiers, class of evidence, the bytes of the event's own fields."""


class LineEncoder:
    """Encodes plain lines; remembers names, keys and identifiers, within bounds."""

    def __init__(self) -> None:
        self._known = KnownIdentifiers()
        self._ids: dict[tuple[str, str], tuple[int, int, bytes]] = {}
        self._names: dict[str, bytes] = {}
        self._keys: dict[str, bytes] = {}

    def encode(self, line: Mapping[str, Any], latest_ms: int) -> Encoded | None:
        """The event's bytes; None when the line is not plain (or not right)."""
        try:
            return self._encode(line, latest_ms)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInput):
            return None

    def _encode(self, line: Mapping[str, Any], latest_ms: int) -> Encoded | None:
        message_id, time_ms = line["message_id"], line["time"]
        if (
            line["type"] != "track"
            or not FIELDS.issuperset(line)
            or type(time_ms) is not int
            or not 0 < time_ms <= latest_ms
            or not 0 < len(message_id) <= MAX_MESSAGE_ID_BYTES
            or not (message_id.isascii() and message_id.isprintable())
        ):
            return None
        name = self._names.get(line["event"]) or self._learn_name(line["event"])
        found = self._identifiers(line["ids"])
        if found is None:
            return None
        bucket, count, ids = found
        data = message_id.encode()
        time = wire.time_bytes(time_ms)
        pieces = [
            _MESSAGE_ID,
            wire.size_bytes(len(data)),
            data,
            ids,
            _KIND_TRACK,
            name,
            _EVENT_TIME,
            time,
            _CLIENT_TIME,
            time,
        ]
        properties, context = line.get("properties"), line.get("context")
        if properties is not None and not self._properties(properties, pieces):
            return None
        if context is not None and not self._context(context, pieces):
            return None
        evidence = AUTHENTICATED if is_authenticated(line) else OBSERVED if count > 1 else 0
        return bucket, count, evidence, b"".join(pieces)

    def _identifiers(self, ids: Mapping[str, str]) -> tuple[int, int, bytes] | None:
        """Bucket, count and bytes; None unless all are in normal form and in order."""
        if not 0 < len(ids) <= MAX_IDS:
            return None
        last, bucket, data = -1, 0, b""
        for pair in ids.items():
            rank, own_bucket, encoded = self._ids.get(pair) or self._learn_id(*pair)
            if rank <= last:
                return None
            if not data:
                bucket = own_bucket
            last = rank
            data += encoded
        return bucket, len(ids), data

    def _properties(self, properties: Mapping[str, Any], pieces: list[bytes]) -> bool:
        """Append the properties; False when one is not plain."""
        if len(properties) > MAX_PROPERTIES:
            return False
        for key, value in properties.items():
            head = self._keys.get(key) or self._learn_key(key)
            kind = type(value)
            if kind is str:
                data = value.encode()
                if len(data) > MAX_TEXT_BYTES:
                    return False
                entry = head + _TEXT_VALUE + wire.size_bytes(len(data)) + data
                pieces += (_STRING, wire.size_bytes(len(entry)), entry)
            elif kind is float or kind is int:
                if not -MAX_NUMBER <= value <= MAX_NUMBER:
                    return False
                entry = head + _double(b"\x11", round(float(value), DECIMALS))
                pieces += (_NUMBER, wire.size_bytes(len(entry)), entry)
            elif kind is bool:
                entry = head + (_TRUE if value else _FALSE)
                pieces += (_BOOL, wire.size_bytes(len(entry)), entry)
            elif value is not None:
                return False
        return True

    def _context(self, context: Mapping[str, str], pieces: list[bytes]) -> bool:
        if not CONTEXT_KEYS.issuperset(context):
            return False
        for key, value in context.items():
            head = self._keys.get(key) or self._learn_key(key)
            data = value.encode()
            if len(data) > MAX_TEXT_BYTES:
                return False
            entry = head + _TEXT_VALUE + wire.size_bytes(len(data)) + data
            pieces += (_CONTEXT, wire.size_bytes(len(entry)), entry)
        return True

    # --- what is seen for the first time ---------------------------------------------------

    def _learn_name(self, name: str) -> bytes:
        texts.check_name(name)
        return _kept(self._names, name, wire.text_field(_NAME, name), REMEMBERED)

    def _learn_key(self, key: str) -> bytes:
        texts.check_keys((key,))
        return _kept(self._keys, key, wire.text_field(1, key), REMEMBERED)

    def _learn_id(self, identifier_type: str, value: str) -> tuple[int, int, bytes]:
        rank, bucket = self._known.learn(identifier_type, value)
        if rank < 0:
            return rank, bucket, b""
        entry = wire.text_field(1, identifier_type) + wire.text_field(2, value)
        encoded = wire.varint(_ID << 3 | 2) + wire.size_bytes(len(entry)) + entry
        return _kept(self._ids, (identifier_type, value), (rank, bucket, encoded), 5 * REMEMBERED)


def _kept(known: dict[K, V], key: K, value: V, limit: int) -> V:
    if len(known) >= limit:
        known.clear()
    known[key] = value
    return value
