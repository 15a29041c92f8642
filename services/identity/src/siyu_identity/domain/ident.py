"""An identifier as it stands in the graph."""

from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

from siyu_identity.domain.evidence import UNSEEN


class Flag(IntFlag):
    """What is laid down about one identifier; anybody who has a flag is looked at closely."""

    NONE = 0
    BLOCKED = 1
    """On the block-list, or of a type that the policy does not declare: links nobody."""
    APART = 2
    """It must not be on one person with some other identifier."""
    RETIRED = 4
    """Another identifier took its place: it stays with its person, but does not count any more."""
    ERASED = 8
    """Nothing is known of it any more but that it must not come back."""


SILENT = Flag.BLOCKED | Flag.ERASED
"""What has one of these links nobody."""


class Place(NamedTuple):
    """Where an identifier belongs."""

    component: int
    """Number of one member of everything that hangs together with it."""
    person_no: int
    """Number of the identifier that its person is named after."""
    quarantined: bool
    first_ms: int
    """Earliest live evidence about it; UNSEEN without any."""


@dataclass(frozen=True, slots=True)
class Ident:
    """A numbered identifier."""

    no: int
    type: str
    key: bytes
    """The id of the person that is named after it: 16 bytes, the same in every rebuild."""
    place: Place
    new: bool = False
    """Numbered by the running transaction, not stored yet."""
    flags: int = 0
    """Flag, as a number."""


def alone(no: int, *, quarantined: bool = False, first_ms: int = UNSEEN) -> Place:
    """The place of an identifier that is a person of its own."""
    return Place(no, no, quarantined, first_ms)
