"""Events as they stand in a batch: a head, the event's own fields, and those that the door sets."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from siyu_collect.domain import wire
from siyu_collect.domain.columns.buffer import Ints, unaligned
from siyu_collect.domain.columns.columns import Columns
from siyu_collect.domain.columns.fields import CLIENT_TIME, TIME_BYTES

_ONE_BYTE: Final = 0x7F
_CLIENT_BYTES: Final = 1 + TIME_BYTES


def framed(
    columns: Columns, order: Ints, ready: Mapping[int, bytes], door_fields: tuple[bytes, bytes]
) -> tuple[list[bytes], list[bytes]]:
    """Two pieces for each event in this order; joined they are the events in a batch.

    ``ready`` are events that were made elsewhere, head and all, by index. ``door_fields`` stand
    behind an event with one identifier, and behind one with more.
    """
    linked = columns.codes & 1
    lengths = np.array([len(fields) for fields in door_fields])
    own = columns.envelope.ends - columns.envelope.starts
    sizes = own + lengths[linked] + _CLIENT_BYTES * ~columns.scalars.client_given
    bodies = _bodies(columns, sizes, order, ready)
    tails = _tails(columns, linked, door_fields)
    for index in ready:
        tails[index] = b""
    return bodies, tails[order].tolist()


def _bodies(columns: Columns, sizes: Ints, order: Ints, ready: Mapping[int, bytes]) -> list[bytes]:
    """Heads and own fields. A new head is written over the old one where it has as many bytes."""
    heads, starts, ends = columns.envelope.heads, columns.envelope.starts, columns.envelope.ends
    data = np.frombuffer(columns.raw, np.uint8).copy()
    unaligned(data, "<f8")[columns.shortened_at] = columns.shortened
    wide = sizes > _ONE_BYTE
    fits = columns.plain & (starts - heads == 2 + wide)
    for index in ready:
        fits[index] = False
    data[heads[fits]] = wire.EVENTS_TAG
    data[heads[fits] + 1] = (sizes & _ONE_BYTE | wide << 7)[fits]
    data[heads[fits & wide] + 2] = (sizes >> 7)[fits & wide]
    frames = data.tobytes()
    begins = np.where(fits, heads, starts)
    bounds = zip(begins[order].tolist(), ends[order].tolist(), strict=True)
    bodies = [frames[begin:end] for begin, end in bounds]
    for at in np.flatnonzero(~fits[order]).tolist():
        index = int(order[at])
        bodies[at] = ready.get(index) or wire.head(int(sizes[index])) + bodies[at]
    return bodies


def _tails(
    columns: Columns, linked: Ints, door_fields: tuple[bytes, bytes]
) -> "NDArray[np.object_]":
    """The client's time, which is the event's where none is given, and the door's fields."""
    given = columns.scalars.client_given
    times = columns.scalars.time_words.view(np.uint8).reshape(-1, 8)[:, :TIME_BYTES]
    tails = np.empty(len(linked), object)
    for link, fields in enumerate(door_fields):
        mine = linked == link
        tails[mine & given] = fields
        missing = np.flatnonzero(mine & ~given)
        rows = np.empty((len(missing), _CLIENT_BYTES + len(fields)), np.uint8)
        rows[:, 0] = CLIENT_TIME
        rows[:, 1:_CLIENT_BYTES] = times[missing]
        rows[:, _CLIENT_BYTES:] = np.frombuffer(fields, np.uint8)
        tails[missing] = rows.view(f"V{rows.shape[1]}").ravel().tolist()
    return tails
