"""Reads a request as columns and says which of its events are plain."""

from typing import Final

import numpy as np

from siyu_collect.domain import texts
from siyu_collect.domain.columns.buffer import Buffer, Flags, unaligned
from siyu_collect.domain.columns.columns import Columns
from siyu_collect.domain.columns.entries import KEY
from siyu_collect.domain.columns.envelope import Envelope, read_envelope
from siyu_collect.domain.columns.fields import EVENT_TIME, NAME, SENT_TIME, Fields, read_fields
from siyu_collect.domain.columns.numbers import shortened
from siyu_collect.domain.columns.properties import Properties, read_properties
from siyu_collect.domain.columns.scalars import read_scalars
from siyu_collect.domain.columns.subjects import KnownSubjects
from siyu_collect.domain.columns.texts import is_utf8
from siyu_collect.domain.columns.words import KnownWords
from siyu_collect.domain.limits import MAX_TEXT_BYTES

_WORD: Final = 8


class ColumnReader:
    """Reads requests; keeps at hand which words and identifiers were found right."""

    def __init__(self) -> None:
        self._names = KnownWords(NAME, texts.check_name)
        self._keys = KnownWords(KEY, texts.check_key)
        self._context_keys = KnownWords(KEY, texts.check_context_key)
        self._subjects = KnownSubjects()

    def read(self, raw: bytes) -> Columns | None:
        """The columns; None for a request that has to be read as a message.

        That is one whose form is unusual as a whole, whose text is not UTF-8, or of whose events
        most are not plain.
        """
        buffer = Buffer(raw)
        envelope = read_envelope(buffer, raw)
        if envelope is None:
            return None
        starts, ends = envelope.starts, envelope.ends
        fields = read_fields(buffer, starts, ends)
        plain = fields.regular & (ends - starts <= MAX_TEXT_BYTES)
        scalars = read_scalars(buffer, envelope, fields, self._names, plain)
        properties = read_properties(buffer, fields, self._keys, self._context_keys, plain)
        # Elsewhere the bounds are anything, and so might be the bytes between them: no bytes.
        bounds = zip(
            (scalars.ids_at * plain).tolist(), (scalars.ids_end * plain).tolist(), strict=True
        )
        codes = self._subjects.codes_of([raw[begin:end] for begin, end in bounds])
        plain &= codes >= 0
        if 2 * np.count_nonzero(plain) < len(plain):
            return None
        _blank(buffer, envelope, fields, properties, plain)
        if not is_utf8(buffer.bytes[: buffer.size // _WORD * _WORD + _WORD]):
            return None
        return Columns(
            raw,
            envelope,
            plain,
            scalars,
            codes,
            *shortened(properties.numbers_at, properties.numbers),
        )


def _blank(
    buffer: Buffer, envelope: Envelope, fields: Fields, properties: Properties, plain: Flags
) -> None:
    """Clear every byte beyond ASCII that is not of a plain event's text.

    A text has an ASCII byte before and behind it, so the whole is UTF-8 if every text is.
    """
    data = buffer.bytes
    times = fields.start[(fields.tag >= EVENT_TIME) & (fields.tag <= SENT_TIME)]
    unaligned(data, "<u4")[times + 1] = 0
    data[times + 5] = 0
    buffer.words[properties.numbers_at] = 0
    data[properties.wide_at] = 0
    data[fields.start[fields.end - fields.start > 2 + 0x7F] + 1] = 0
    data[envelope.heads] = 0  # where the stops are
    data[envelope.heads + 1] = 0
    data[buffer.size :] = 0
    for index in np.flatnonzero(~plain).tolist():
        data[envelope.heads[index] : envelope.ends[index]] = 0
