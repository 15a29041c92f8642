"""The properties and the context of all events."""

from dataclasses import dataclass

import numpy as np

from siyu_collect.domain.columns.buffer import Buffer, Doubles, Flags, Ints
from siyu_collect.domain.columns.entries import (
    Entries,
    are_doubles,
    are_texts,
    are_truths,
    part,
    read_entries,
    repeated,
    wide_lengths,
)
from siyu_collect.domain.columns.fields import BOOLEANS, CONTEXT, NUMBERS, STRINGS, Fields
from siyu_collect.domain.columns.numbers import are_bounded
from siyu_collect.domain.columns.words import KnownWords
from siyu_collect.domain.limits import MAX_PROPERTIES


@dataclass(frozen=True, slots=True)
class Properties:
    """What is of use beyond the judgement."""

    numbers_at: Ints
    """Where the bytes of each right number are."""
    numbers: Doubles
    wide_at: Ints
    """Where the length of each text is that has more than 127 bytes."""


def read_properties(
    buffer: Buffer, fields: Fields, keys: KnownWords, context_keys: KnownWords, plain: Flags
) -> Properties:
    """The properties; events that have one that is not plain are plain no more."""
    indexes = [fields.of(tag) for tag in (STRINGS, NUMBERS, BOOLEANS)]
    entries = read_entries(buffer, fields, np.concatenate(indexes), keys)
    context = read_entries(buffer, fields, fields.of(CONTEXT), context_keys)
    ends = np.cumsum([len(index) for index in indexes])
    strings, numbers = part(entries, 0, ends[0]), part(entries, ends[0], ends[1])
    values = buffer.doubles[numbers.value + 1]
    right = np.concatenate(
        (
            are_texts(buffer, strings),
            are_doubles(buffer, numbers) & are_bounded(values),
            are_truths(buffer, part(entries, ends[1], ends[2])),
        )
    )
    _judge(entries, right, plain)
    _judge(context, are_texts(buffer, context), plain)
    plain &= np.bincount(entries.event, minlength=len(plain)) <= MAX_PROPERTIES
    kept = np.flatnonzero(right[ends[0] : ends[1]])
    wide = np.concatenate((wide_lengths(strings), wide_lengths(context)))
    return Properties(numbers.value[kept] + 1, values[kept], wide)


def _judge(entries: Entries, right: Flags, plain: Flags) -> None:
    wrong = np.flatnonzero(~right | (entries.key < 0))
    plain[entries.event[wrong]] = False
    plain[repeated(entries)] = False
