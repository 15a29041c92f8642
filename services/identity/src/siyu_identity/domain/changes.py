"""What the world is told: which identifiers belong to another person now, and why."""

from collections import defaultdict
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from siyu_identity.domain.ident import Ident, Place


class Why(IntEnum):
    """Why an identifier's person changed (the numbers of the contract)."""

    CREATED = 1
    MERGED = 2
    SPLIT = 3
    REANCHORED = 4
    QUARANTINED = 5
    ERASED = 6


class Change(NamedTuple):
    """One identifier that moved."""

    ident_no: int
    from_person_no: int
    """0 when it is new."""
    person_no: int
    person_key: bytes
    why: Why
    identifier_type: str


def changes_of(idents: Mapping[int, Ident], places: Mapping[int, Place]) -> list[Change]:
    """The moves from where identifiers stand to their new places, by number.

    ``places`` covers persons as a whole: whoever shares an old person with one of them is in it.
    """
    were: defaultdict[int, set[int]] = defaultdict(set)
    are: defaultdict[int, set[int]] = defaultdict(set)
    for no, place in places.items():
        if not idents[no].new:
            were[idents[no].place.person_no].add(no)
        are[place.person_no].add(no)
    changes = []
    for no in sorted(places):
        ident, place = idents[no], places[no]
        if not ident.new and ident.place.person_no == place.person_no:
            continue
        why = _why(ident, place, were[ident.place.person_no], are[place.person_no])
        changes.append(
            Change(
                no,
                0 if ident.new else ident.place.person_no,
                place.person_no,
                idents[place.person_no].key,
                why,
                ident.type,
            )
        )
    return changes


def _why(ident: Ident, place: Place, were: set[int], are: set[int]) -> Why:
    if ident.new:
        return Why.CREATED if place.person_no == ident.no else Why.MERGED
    if place.quarantined and not ident.place.quarantined:
        return Why.QUARANTINED
    if were == are:
        return Why.REANCHORED
    return Why.MERGED if were < are else Why.SPLIT
