"""The fields of all events, read in lock step: the first of every event, then the second, ..."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from siyu_collect.domain.columns.buffer import STOP, Buffer, Bytes, Flags, Ints

MESSAGE_ID: Final = 0x12
IDS: Final = 0x1A
KIND: Final = 0x20
NAME: Final = 0x2A
EVENT_TIME: Final = 0x30
CLIENT_TIME: Final = 0x38
SENT_TIME: Final = 0x40
STRINGS: Final = 0x52
NUMBERS: Final = 0x5A
BOOLEANS: Final = 0x62
CONTEXT: Final = 0x7A
"""What a field of an Event begins with: its number and wire type."""

TIME_BYTES: Final = 6
"""A time from 1971 to 2109 has six bytes as a varint; one that has not is not plain."""

_SINGULAR: Final = (MESSAGE_ID, KIND, NAME, EVENT_TIME, CLIENT_TIME, SENT_TIME)
_REPEATED: Final = (IDS, STRINGS, NUMBERS, BOOLEANS, CONTEXT)
_LENGTHS: Final = (MESSAGE_ID, IDS, NAME, STRINGS, NUMBERS, BOOLEANS, CONTEXT)

MAX_STEPS: Final = 340
"""More fields than a right event has: 300 properties, 10 ids, 9 of context and the rest."""
FEW: Final = 32
MAX_LEAN_STEPS: Final = 48
"""A step for few events costs more than it saves, so there are not many of them."""


_FIXED: Final[Ints] = np.zeros(256, np.int64)
"""Bytes of a field without its content, by tag; 0 for whatever is not plain."""
_FIXED[[*_LENGTHS, KIND]] = 2
_FIXED[[EVENT_TIME, CLIENT_TIME, SENT_TIME]] = 1 + TIME_BYTES
_LENGTH_MASK: Final[Bytes] = np.zeros(256, np.uint8)
"""Which bits of the second byte are a length, by tag."""
_LENGTH_MASK[[*_LENGTHS]] = 0xFF
_ORDER: Final[Bytes] = np.zeros(256, np.uint8)
"""Greater than the tag before it, if the field stands in order and, when singular, once."""
_ORDER[[*_SINGULAR]] = _SINGULAR
_ORDER[[*_REPEATED]] = np.array(_REPEATED) + 1


@dataclass(slots=True)
class Fields:
    """All fields of the regular events; a column for each thing."""

    tag: Bytes
    event: Ints
    start: Ints
    end: Ints
    regular: Flags
    """For each event, whether it was read to its end."""

    def of(self, tag: int) -> Ints:
        """Where the fields with this tag are in the columns."""
        return np.flatnonzero(self.tag == tag)


def read_fields(buffer: Buffer, starts: Ints, ends: Ints) -> Fields:
    """The fields of the events between starts and ends; a stop is put behind each event.

    A field that is not plain, or out of order, has the size 0, so its event never reaches its end.
    """
    first, second = buffer.bytes, buffer.second
    first[ends] = STOP
    reached = starts.copy()
    event, position = np.arange(len(starts)), starts
    before = np.zeros(len(starts), np.uint8)
    tags, events, positions, nexts = [], [], [], []
    lean = 0
    for _ in range(MAX_STEPS):
        tag = first.take(position, mode="clip")
        length = _LENGTH_MASK.take(tag) & second.take(position, mode="clip")
        size = _FIXED.take(tag) + length
        if length.max() > 0x7F:
            _widen(buffer, position, length, size)
        size *= _ORDER.take(tag) > before
        running = int(np.count_nonzero(size))
        lean += 1 if running < FEW else 0
        if not running or lean > MAX_LEAN_STEPS:
            break
        if running * 2 < len(size):
            reached[event] = position
            kept = np.flatnonzero(size)
            tag, before, event = tag[kept], before[kept], event[kept]
            position, size = position[kept], size[kept]
        before = np.maximum(before, tag)  # so a field out of order stays so in the next step
        tags.append(tag)
        events.append(event)
        positions.append(position)
        position = position + size
        nexts.append(position)
    reached[event] = position
    regular = reached == ends
    if not tags:
        return Fields(before[:0], event[:0], position[:0], position[:0], regular)
    fields = Fields(
        np.concatenate(tags),
        np.concatenate(events),
        np.concatenate(positions),
        np.concatenate(nexts),
        regular,
    )
    return fields if regular.all() else _without(fields, regular)


def _widen(buffer: Buffer, position: Ints, length: Bytes, size: Ints) -> None:
    """Correct the sizes of fields whose length has two bytes; a longer one is not plain."""
    wide = np.flatnonzero(length > 0x7F)
    high = buffer.third.take(position[wide], mode="clip").astype(np.int64)
    size[wide] = np.where((high > 0) & (high < 0x80), 3 + (length[wide] & 0x7F) + (high << 7), 0)


def _without(fields: Fields, regular: Flags) -> Fields:
    kept = np.flatnonzero(regular[fields.event])
    return Fields(
        fields.tag[kept], fields.event[kept], fields.start[kept], fields.end[kept], regular
    )
