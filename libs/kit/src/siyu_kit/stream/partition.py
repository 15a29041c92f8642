"""Which partition an event belongs to."""

import zlib
from typing import Final

SEPARATOR: Final = "\x1f"


def partition_of(identifier_type: str, value: str, partitions: int) -> int:
    """The partition of the subject's identifier: the same answer in every process, for ever."""
    if partitions < 1:
        raise ValueError("partitions must be at least 1")
    subject = f"{identifier_type}{SEPARATOR}{value}".encode()
    return zlib.crc32(subject) % partitions
