"""Numbers of the contract's enumerations, which may be any number on the wire, as Python's."""

from enum import IntEnum
from typing import TypeVar

from siyu_kit.errors import InvalidInput

E = TypeVar("E", bound=IntEnum)


def chosen(kind: type[E], number: int, field: str) -> E:
    """A value of an enumeration; InvalidInput (FIELD_INVALID) for UNSPECIFIED and unknown ones."""
    try:
        return kind(number)
    except ValueError:
        raise InvalidInput("FIELD_INVALID", "not one of the values", field=field) from None
