"""Identifiers of one event: normal form, placeholders dropped, best rank first."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

from siyu_collect.domain.limits import MAX_IDS
from siyu_kit.errors import InvalidInput
from siyu_kit.identifiers import RANKS, is_junk, normalise

REMEMBERED: Final = 100_000
"""Identifiers whose normal form is kept at hand; people send many events in a row."""

SEPARATOR: Final = "\x1f"

Pair = tuple[str, str]
"""Type and value, as sent."""


class Identifier(NamedTuple):
    """An identifier in normal form; its order is the order on an event."""

    rank: int
    type: str
    value: str


@lru_cache(maxsize=REMEMBERED)
def recognised(identifier_type: str, value: str) -> Identifier | None:
    """The normal form; None for a placeholder that says nothing about who somebody is.

    Raises InvalidInput (FIELD_INVALID).
    """
    normal = normalise(identifier_type, value)
    if is_junk(identifier_type, normal):
        return None
    return Identifier(RANKS[identifier_type], identifier_type, normal)


def bucket_of(identifier: Identifier) -> int:
    """The hash that a subject's partition is taken from; as the kit's ``partition_of``."""
    return crc32(f"{identifier.type}{SEPARATOR}{identifier.value}".encode())


class KnownIdentifiers:
    """Identifiers that came in normal form before: rank and bucket, by type and value."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in RANKS}

    def learn(self, identifier_type: str, value: str) -> tuple[int, int]:
        """Rank and bucket; rank -1 for whatever is not in normal form and needs a closer look."""
        try:
            identifier = recognised(identifier_type, value)
        except InvalidInput:
            return -1, 0
        if identifier is None or identifier.value != value:
            return -1, 0
        table = self.tables[identifier_type]
        if len(table) >= REMEMBERED:
            table.clear()
        known = table[value] = identifier.rank, bucket_of(identifier)
        return known


def settled(pairs: Sequence[Pair]) -> list[Identifier]:
    """The identifiers that an event is kept under: distinct, best rank first, at least one.

    Raises InvalidInput (NO_IDENTIFIER, TOO_MANY_IDENTIFIERS and those of ``recognised``) with
    the field named.
    """
    if len(pairs) > MAX_IDS:
        raise InvalidInput(
            "TOO_MANY_IDENTIFIERS",
            f"an event has at most {MAX_IDS} identifiers",
            field="ids",
            limit=str(MAX_IDS),
        )
    found: list[Identifier] = []
    ordered = True
    for identifier_type, value in pairs:
        try:
            identifier = recognised(identifier_type, value)
        except InvalidInput as error:
            position = pairs.index((identifier_type, value))
            error.field = f"ids[{position}].{error.field}"
            raise
        if identifier is not None:
            ordered = ordered and (not found or found[-1] < identifier)
            found.append(identifier)
    if not found:
        raise InvalidInput(
            "NO_IDENTIFIER",
            "every identifier is a placeholder" if pairs else "the event has no identifier",
            field="ids",
        )
    return found if ordered else sorted(set(found))
