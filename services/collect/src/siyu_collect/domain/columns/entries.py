"""The entries of the events' maps: a key and a value each, in this order and once."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from siyu_collect.domain.columns.buffer import Buffer, Flags, Ints
from siyu_collect.domain.columns.fields import Fields
from siyu_collect.domain.columns.words import PLACES, KnownWords

KEY: Final = 0x0A
"""What an entry's key begins with."""
_TRUTH: Final = 0x10
_DOUBLE: Final = 0x11
_TEXT: Final = 0x12
"""What an entry's value begins with, by its type."""
DOUBLE_BYTES: Final = 8
_ONE_BYTE: Final = 0x7F
"""Largest length that one byte holds."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of some maps; a column for each thing."""

    event: Ints
    key: Ints
    """Place of the key among the known ones, or -1."""
    value: Ints
    """Position of the value's tag; it may be anywhere where the key is not known."""
    end: Ints


def read_entries(buffer: Buffer, fields: Fields, at: Ints, keys: KnownWords) -> Entries:
    """The entries that are the fields at these indexes."""
    start = fields.start[at]
    inside = start + 2 + (buffer.second.take(start) > _ONE_BYTE)
    length = buffer.lengths(inside)
    key = keys.find(buffer, inside, length)
    return Entries(fields.event[at], key, inside + (length + 2), fields.end[at])


def part(entries: Entries, begin: int, stop: int) -> Entries:
    """Some of the entries, one behind the other."""
    some = slice(begin, stop)
    return Entries(entries.event[some], entries.key[some], entries.value[some], entries.end[some])


def are_texts(buffer: Buffer, entries: Entries) -> Flags:
    """Whether each value is a text that fills its entry."""
    value = entries.value
    length, rest = buffer.lengths(value), entries.end - value - 2
    fills: Flags = length == rest
    wide = np.flatnonzero(length > _ONE_BYTE)
    if len(wide):
        size = rest[wide] - 1
        low, high = size & _ONE_BYTE | _ONE_BYTE + 1, size >> 7
        fills[wide] = (
            (size > _ONE_BYTE) & (length[wide] == low) & (buffer.third.take(value[wide]) == high)
        )
    fills &= buffer.bytes.take(value) == _TEXT
    return fills


def wide_lengths(texts: Entries) -> Ints:
    """Where the lengths of two bytes are, as far as the values are texts."""
    return texts.value[texts.end - texts.value - 2 > _ONE_BYTE] + 1


def are_doubles(buffer: Buffer, entries: Entries) -> Flags:
    """Whether each value is a double that fills its entry."""
    fills: Flags = entries.end - entries.value == 1 + DOUBLE_BYTES
    fills &= buffer.bytes.take(entries.value) == _DOUBLE
    return fills


def are_truths(buffer: Buffer, entries: Entries) -> Flags:
    """Whether each value is a truth value that fills its entry."""
    fills: Flags = entries.end - entries.value == 2
    fills &= buffer.second.take(entries.value) < 2
    fills &= buffer.bytes.take(entries.value) == _TRUTH
    return fills


def repeated(entries: Entries) -> Ints:
    """The events that have a known key twice."""
    codes = (entries.event * (2 * PLACES) + (entries.key + 1)).astype(np.uint32)
    codes.sort()
    twice: Ints = codes[1:][codes[1:] == codes[:-1]].astype(np.int64)
    return twice // (2 * PLACES)
