"""The bytes of a request, readable at many positions at once."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
"""Positions, lengths and indexes."""
Words = NDArray[np.uint64]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

PADDING: Final = 512
"""Bytes behind the request: a key with a wrong length may point that far beyond its entry."""
STOP: Final = 0x87
"""Stands behind the events: no field begins with it, for there is no wire type 7."""


class Buffer:
    """A copy of a request with views that begin at any byte."""

    def __init__(self, raw: bytes) -> None:
        self.size = len(raw)
        self.bytes: Bytes = np.empty(self.size + PADDING, np.uint8)
        self.bytes[: self.size] = np.frombuffer(raw, np.uint8)
        self.bytes[self.size :] = STOP
        self.second = self.bytes[1:]
        """The byte behind a position."""
        self.third = self.bytes[2:]
        self.words: Words = unaligned(self.bytes, "<u8")
        """Eight bytes from a position on, the first the lowest."""
        self.doubles: Doubles = unaligned(self.bytes, "<f8")

    def lengths(self, starts: Ints) -> Ints:
        """The byte behind each tag, which is a length if it is below 128."""
        return self.second.take(starts).astype(np.int64)

    def word(self, start: int) -> bytes:
        """A tag, a length of one byte, and as many bytes."""
        return self.bytes[start : start + 2 + int(self.second[start])].tobytes()

    def rows(self, starts: Ints, width: int) -> Bytes:
        """``width`` bytes from each start, a row for each."""
        found = unaligned(self.bytes, f"V{width}")[starts]
        return np.frombuffer(found.tobytes(), np.uint8).reshape(len(starts), width)


def unaligned(data: Bytes, kind: str) -> NDArray[Any]:
    """The bytes as items of a type, one from each position on."""
    dtype = np.dtype(kind)
    return np.ndarray((len(data) - dtype.itemsize + 1,), dtype, data, 0, (1,))
