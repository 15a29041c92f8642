"""Where an event belongs, known by the bytes of all its identifiers together."""

from typing import Final

import numpy as np

from siyu_collect.domain.columns.buffer import Ints
from siyu_collect.domain.identifiers import REMEMBERED, Identifier, bucket_of, recognised
from siyu_collect.domain.limits import MAX_IDS
from siyu_kit.errors import InvalidInput

NOT_PLAIN: Final = -1
_IDS: Final = 0x1A
_TYPE: Final = 0x0A
_VALUE: Final = 0x12
_ONE_BYTE: Final = 0x7F


class KnownSubjects:
    """Lists of identifiers that came before: people send many events in a row.

    A list is known by its code: twice the subject's bucket, and one more when there are others
    beside the subject.
    """

    def __init__(self) -> None:
        self._codes: dict[bytes, int] = {}

    def codes_of(self, lists: list[bytes]) -> Ints:
        """The code of each list, NOT_PLAIN for one that is not in normal form and order."""
        codes = list(map(self._codes.get, lists))
        if None in codes:
            known = zip(lists, codes, strict=True)
            codes = [self._learn(data) if code is None else code for data, code in known]
        return np.fromiter(codes, np.int64, len(codes))

    def _learn(self, data: bytes) -> int:
        try:
            code = _code_of(data)
        except (ValueError, InvalidInput):
            return NOT_PLAIN
        if len(self._codes) >= REMEMBERED:
            self._codes.clear()
        self._codes[data] = code
        return code


def _code_of(data: bytes) -> int:
    """The code of a list. Raises ValueError or InvalidInput for one that is not plain."""
    found: list[Identifier] = []
    position = 0
    while position < len(data):
        kind_at = position + 2
        kind_end = kind_at + 2 + _length(data, kind_at, _TYPE)
        end = kind_end + 2 + _length(data, kind_end, _VALUE)
        if end != kind_at + _length(data, position, _IDS):
            raise ValueError("an identifier is its type and its value")
        value = data[kind_end + 2 : end].decode()
        identifier = recognised(data[kind_at + 2 : kind_end].decode(), value)
        if identifier is None or identifier.value != value:
            raise ValueError("not in normal form")
        if found and identifier.rank <= found[-1].rank:
            raise ValueError("not in order")
        found.append(identifier)
        position = end
    if position != len(data) or not 0 < len(found) <= MAX_IDS:
        raise ValueError("none, or too many")
    return bucket_of(found[0]) << 1 | (len(found) > 1)


def _length(data: bytes, position: int, tag: int) -> int:
    """Length of the field at a position. Raises ValueError unless it has this tag and is short."""
    head = data[position : position + 2]
    if len(head) < 2 or head[0] != tag or head[1] > _ONE_BYTE:
        raise ValueError("not in the usual form")
    return head[1]
