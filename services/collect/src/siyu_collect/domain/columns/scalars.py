"""The fields that an event has once."""

from dataclasses import dataclass

import numpy as np

from siyu_collect.domain.columns.buffer import Buffer, Flags, Ints, Words
from siyu_collect.domain.columns.envelope import Envelope
from siyu_collect.domain.columns.fields import (
    CLIENT_TIME,
    EVENT_TIME,
    KIND,
    MESSAGE_ID,
    NAME,
    SENT_TIME,
    Fields,
)
from siyu_collect.domain.columns.texts import are_message_ids
from siyu_collect.domain.columns.times import are_times, time_of
from siyu_collect.domain.columns.words import KnownWords
from siyu_collect.domain.vocabulary import TRACK


@dataclass(frozen=True, slots=True)
class Scalars:
    """A place for each event; what it says holds for plain events only."""

    ids_at: Ints
    """Where the identifiers begin: behind the message id."""
    ids_end: Ints
    """Where they end: at the kind."""
    time_words: Words
    """The bytes of the event's time, two more behind them."""
    time_ms: Ints
    client_given: Flags
    """Whether the event has its client's time."""


def read_scalars(
    buffer: Buffer, envelope: Envelope, fields: Fields, names: KnownWords, plain: Flags
) -> Scalars:
    """The scalars; events that miss one, or whose are not plain, are plain no more."""
    count = len(plain)
    message = fields.of(MESSAGE_ID)
    message_end = spread(fields.event[message], fields.end[message], count)
    kind_at, name_at, time_at, client_at = (
        spread(fields.event[at], fields.start[at], count)
        for at in map(fields.of, (KIND, NAME, EVENT_TIME, CLIENT_TIME))
    )
    # A field that is missing has the position 0, which is before any event.
    plain &= (name_at > 0) & (time_at > 0) & (kind_at > 0)
    plain &= buffer.second.take(kind_at) == TRACK
    plain &= are_message_ids(buffer, envelope.starts, message_end)
    plain &= names.find(buffer, name_at, buffer.lengths(name_at)) >= 0
    times = np.flatnonzero((fields.tag >= EVENT_TIME) & (fields.tag <= SENT_TIME))
    right = are_times(buffer.words[fields.start[times] + 1])
    plain[fields.event[times[~right]]] = False
    time_words = buffer.words[time_at + 1]
    return Scalars(message_end, kind_at, time_words, time_of(time_words), client_at > 0)


def spread(event: Ints, values: Ints, count: int) -> Ints:
    """The values at the places of their events, 0 elsewhere."""
    column = np.zeros(count, np.int64)
    column[event] = values
    return column
