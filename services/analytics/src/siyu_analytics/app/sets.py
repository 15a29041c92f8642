"""Sets of person numbers: 32-bit roaring bitmaps in the portable format."""

from array import array
from typing import Any

from pyroaring import BitMap

from siyu_analytics.domain.checks import refuse


def from_numbers(numbers: Any) -> BitMap:
    """A set from a uint32 array."""
    return BitMap(array("I", numbers.astype("uint32").tobytes()))


def to_bytes(members: BitMap) -> bytes:
    """The portable format."""
    members.run_optimize()
    return bytes(members.serialize())


def from_bytes(data: bytes, field: str) -> BitMap:
    """A set that a caller sent; InvalidInput for what is not one."""
    if not data:
        return BitMap()
    try:
        return BitMap.deserialize(data)
    except (ValueError, TypeError, MemoryError):
        refuse(field, "a 32-bit roaring bitmap in the portable format")
