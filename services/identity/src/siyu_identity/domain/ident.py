"""An identifier as it stands in the graph."""

from dataclasses import dataclass
from typing import NamedTuple

from siyu_identity.domain.evidence import UNSEEN


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


def alone(no: int, *, quarantined: bool = False, first_ms: int = UNSEEN) -> Place:
    """The place of an identifier that is a person of its own."""
    return Place(no, no, quarantined, first_ms)
