"""The rules of text for many at once: UTF-8, and message ids."""

from typing import Final

import numpy as np

from siyu_collect.domain.columns.buffer import Buffer, Bytes, Flags, Ints
from siyu_collect.domain.limits import MAX_MESSAGE_ID_BYTES

_HIGH_BITS: Final = np.uint64(0x8080808080808080)
_BLANK: Final = np.uint8(0x20)
_TILDE: Final = np.uint8(0x7E)


def are_message_ids(buffer: Buffer, starts: Ints, ends: Ints) -> Flags:
    """Whether each field is a message id of printable ASCII; others may be right too."""
    length = ends - starts - 2
    fits = (length > 0) & (length <= MAX_MESSAGE_ID_BYTES)
    width = max(1, min(int(length.max()), MAX_MESSAGE_ID_BYTES))
    # Below the blank the difference wraps around, so one comparison sees both ends.
    unprintable = buffer.rows(starts + 2, width) - _BLANK > _TILDE - _BLANK
    if length.min() < width:
        unprintable &= np.arange(width) < length[:, None]
    return fits & ~unprintable.any(axis=1)


def is_utf8(data: Bytes) -> bool:
    """Whether the bytes, in whole words of eight, are UTF-8.

    Only words with a byte beyond ASCII are decoded, and one word behind each run of them, so that
    the next run does not complete a character that is cut off.
    """
    words = data.view(np.uint64)
    kept = (words & _HIGH_BITS) != 0
    kept[1:] |= kept[:-1].copy()
    try:
        words.take(np.flatnonzero(kept)).tobytes().decode()
    except UnicodeDecodeError:
        return False
    return True
