"""Where the events of a request lie: its project first, then one event behind the other."""

from typing import Final, NamedTuple

import numpy as np

from siyu_collect.domain.columns.buffer import Buffer, Ints
from siyu_collect.domain.columns.fields import MESSAGE_ID
from siyu_collect.domain.limits import MAX_EVENTS

_PROJECT: Final = 0x0A
_EVENT: Final = 0x12
_MORE: Final = 0x80
"""Set in each byte of a length but the last."""
_MAX_SHIFT: Final = 21


class Envelope(NamedTuple):
    """The project of a request and the bounds of its events."""

    project_id: str
    heads: Ints
    """Where the tag of each event is."""
    starts: Ints
    ends: Ints


def read_envelope(buffer: Buffer, raw: bytes) -> Envelope | None:
    """The parts of a request; None for any form but the usual one."""
    if len(raw) < 2 or raw[0] != _PROJECT or raw[1] >= _MORE:
        return None
    first = 2 + raw[1]
    project = raw[2:first]
    if not project.isascii():
        return None
    found = _guess(buffer, first) or _walk(raw, first)
    if found is None or len(found[0]) > MAX_EVENTS:
        return None
    heads, starts = found
    return Envelope(project.decode(), heads, starts, np.append(heads[1:], len(raw)))


def _guess(buffer: Buffer, first: int) -> tuple[Ints, Ints] | None:
    """Heads and starts, when each event has less than 16 KiB and begins with its message id.

    What looks like a head is taken for one. All are, if the first is where the first event has to
    be and each event ends where the next begins.
    """
    size = buffer.size
    same = buffer.bytes[: size + 3] == _EVENT  # also the tag of a message id
    heads = np.flatnonzero(same[:size] & (same[2 : size + 2] | same[3:]))
    if len(heads) > 2 * MAX_EVENTS:
        return None
    low, high = buffer.second.take(heads).astype(np.int64), buffer.third.take(heads)
    wide = low >= _MORE
    starts = heads + 2 + wide
    ends = starts + np.where(wide, low - _MORE + (high.astype(np.int64) << 7), low)
    likely = (buffer.bytes.take(starts) == MESSAGE_ID) & ~(wide & ((high == 0) | (high >= _MORE)))
    if not likely.all():
        heads, starts, ends = heads[likely], starts[likely], ends[likely]
    if not len(heads) or heads[0] != first or ends[-1] != size:
        return None
    return (heads, starts) if (ends[:-1] == heads[1:]).all() else None


def _walk(raw: bytes, position: int) -> tuple[Ints, Ints] | None:
    """Heads and starts, one event after the other."""
    heads: list[int] = []
    starts: list[int] = []
    try:
        while position < len(raw):
            if raw[position] != _EVENT or len(heads) > MAX_EVENTS:
                return None
            heads.append(position)
            length, start = _length_at(raw, position + 1)
            starts.append(start)
            position = start + length
    except (IndexError, ValueError):
        return None
    return (np.array(heads), np.array(starts)) if heads and position == len(raw) else None


def _length_at(raw: bytes, position: int) -> tuple[int, int]:
    """A length and where it ends. Raises ValueError if it is not as short as it can be."""
    length = shift = 0
    while True:
        byte = raw[position]
        position += 1
        length |= (byte & ~_MORE) << shift
        if byte < _MORE:
            break
        shift += 7
        if shift > _MAX_SHIFT:
            raise ValueError("too long")
    if shift and not byte:
        raise ValueError("longer than it has to be")
    return length, position
