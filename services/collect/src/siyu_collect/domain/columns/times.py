"""Times of six bytes, for many at once."""

from typing import Final

import numpy as np

from siyu_collect.domain.columns.buffer import Flags, Ints, Words
from siyu_collect.domain.columns.fields import TIME_BYTES

_FORM: Final = np.uint64(0x8080_8080_8080)
_SIX_BYTES: Final = np.uint64(0x0080_8080_8080)
_LAST_BYTE: Final = np.uint64(0x7F00_0000_0000)


def are_times(words: Words) -> Flags:
    """Whether each word begins with a varint of six bytes, no fewer and no more."""
    right: Flags = (words & _FORM) == _SIX_BYTES
    right &= (words & _LAST_BYTE) != 0
    return right


def time_of(words: Words) -> Ints:
    """The milliseconds of such varints."""
    time = words & np.uint64(0x7F)
    for index in range(1, TIME_BYTES):
        time |= words >> np.uint64(index) & np.uint64(0x7F << 7 * index)
    return time.astype(np.int64)
